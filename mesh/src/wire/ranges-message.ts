import { create, toBinary } from '@bufbuild/protobuf';
import { createCidr } from '../model/address.ts';
import type { MeshRanges } from '../model/mesh-ranges.ts';
import { decodeMessage } from './decode-message.ts';
import { readList, readModel, readName, readText } from './field-reader.ts';
import { AddressRangesSchema } from './gen/ambit/mesh/v1/ranges_pb.ts';
import { LIMITS } from './limits.ts';

/** The same value gives the same bytes. */
export function encodeRanges({ name, network, blocks }: MeshRanges): Uint8Array {
  const message = create(AddressRangesSchema, {
    name,
    network,
    blocks: blocks.map(({ bytes: address, prefixLength }) => ({ address, prefixLength })),
  });
  return toBinary(AddressRangesSchema, message);
}

/** Bytes of one `ambit.mesh.v1.AddressRanges`. @throws WireError. */
export function parseRanges(bytes: Uint8Array): MeshRanges {
  const { name, network, blocks } = decodeMessage(AddressRangesSchema, bytes);
  return {
    name: readName('name', name),
    network: readText('network', network),
    blocks: readList('blocks', LIMITS.blocksPerRanges, blocks, ({ address, prefixLength }, at) =>
      readModel(at, () => createCidr(address, prefixLength)),
    ),
  };
}

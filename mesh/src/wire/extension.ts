import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { decodeMessage } from './decode-message.ts';
import type * as pb from './gen/istio/workload/workload_pb.ts';

// Goal: what the workload API has no fields for comes and goes with the workload or service that it is about, and Istio's agents
// go on reading the same resource. Its field `extensions` is made for that: its readers skip what they do not know. A resource
// type of its own would have to be subscribed to and kept in step.

/** One kind of extension: the message that it carries, under a name. */
export interface Extension<Desc extends DescMessage> {
  encode(message: MessageInitShape<Desc>): MessageInitShape<typeof pb.ExtensionSchema>;
  /** The one among `extensions`; undefined when there is none, or one that carries another message. @throws WireError. */
  find(extensions: readonly pb.Extension[]): MessageShape<Desc> | undefined;
}

export function extension<Desc extends DescMessage>(name: string, schema: Desc): Extension<Desc> {
  const typeUrl = `type.googleapis.com/${schema.typeName}`;
  return {
    encode: (message) => ({ name, config: { typeUrl, value: toBinary(schema, create(schema, message)) } }),
    find(extensions) {
      const config = extensions.find((one) => one.name === name)?.config;
      return config?.typeUrl === typeUrl ? decodeMessage(schema, config.value) : undefined;
    },
  };
}

/**
 * Which connections have to end so that not more than `maxBytes` wait: those that hold most, as few as it takes. None while the limit is
 * kept.
 */
export function chooseCuts<Held extends { readonly waitingBytes: number }>(
  connections: Iterable<Held>,
  maxBytes: number,
): readonly Held[] {
  const holding: { readonly connection: Held; readonly bytes: number }[] = [];
  let sum = 0;
  for (const connection of connections) {
    const bytes = connection.waitingBytes;
    if (bytes === 0) continue;
    sum += bytes;
    holding.push({ connection, bytes });
  }
  if (sum <= maxBytes) return [];
  const cuts: Held[] = [];
  for (const { connection, bytes } of holding.sort((a, b) => b.bytes - a.bytes)) {
    if (sum <= maxBytes) break;
    cuts.push(connection);
    sum -= bytes;
  }
  return cuts;
}

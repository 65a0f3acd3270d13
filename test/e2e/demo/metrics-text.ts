/** Sum over all samples of a metric in Prometheus text whose labels include `labels`. 0 when there are none. */
export function sumOfMetric(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  let sum = 0;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const [, found, labelText = '', value] = /^([a-zA-Z0-9_:]+)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (found === name && wanted.every((label) => labelText.includes(label))) sum += Number(value);
  }
  return sum;
}

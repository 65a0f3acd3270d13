import type { Cluster } from './cluster.ts';

const RUNS = 100;
const NETWORK = JSON.stringify({ cniVersion: '1.1.0', name: 'kit', type: 'ambit-cni' });
/** Prints how many microseconds each run took, without a process of its own per reading of the clock. */
const SCRIPT = `export CNI_COMMAND=STATUS CNI_PATH=/opt/cni/bin
for ((i = 0; i < ${RUNS}; i++)); do
  a=\${EPOCHREALTIME/[.,]/}
  /opt/cni/bin/ambit-cni <<<'${NETWORK}' >/dev/null || exit 1
  echo $((\${EPOCHREALTIME/[.,]/} - a))
done`;

/** Milliseconds of runs of the plug-in that ask the agent something it answers at once: what the plug-in itself costs. */
export async function pluginTimes(cluster: Cluster, node: string): Promise<number[]> {
  const text = await cluster.onNode(node, ['bash', '-c', SCRIPT]);
  return text
    .trim()
    .split('\n')
    .map((micros) => Number(micros) / 1000);
}

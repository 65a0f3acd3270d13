import { cpus, release } from 'node:os';
import { runCommand } from './command.ts';
import { CONGESTION_CONTROL } from './topology.ts';

/** What a result of wrk and iperf3 depends on, for the record beside the figures. */
export async function describeMachine(): Promise<Record<string, string | number>> {
  const processors = cpus();
  const firstLineOf = async (command: string): Promise<string> =>
    (await runCommand('sh', ['-c', `${command} 2>&1 | head -1`])).trim();
  return {
    cpu: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    kernel: release(),
    congestion: CONGESTION_CONTROL,
    wrk: (await firstLineOf('wrk -v')).split(' ').slice(1, 3).join(' '),
    iperf3: (await firstLineOf('iperf3 -v')).split(' ')[1] ?? '',
  };
}

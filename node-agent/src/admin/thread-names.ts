/** What the threads of an agent are called, the main one first and then its data workers in order. */
export function threadNames(workers: number): readonly string[] {
  return ['main', ...Array.from({ length: workers }, (_, index) => `data-${index}`)];
}

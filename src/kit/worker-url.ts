/**
 * Where a thread's code lies. Tests run the sources, which Node 20 cannot start a thread from; the build has its twin.
 *
 * @param from the `import.meta.url` of the module that starts the thread
 * @param name the thread's module beside it, without its ending: `./hash-worker`
 */
export function workerUrl(from: string, name: string): URL {
  const built = from.endsWith('.ts') ? from.replace(/\/src\/(?!.*\/src\/)/, '/dist/') : from;
  return new URL(`${name}.js`, built);
}

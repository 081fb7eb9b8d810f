/**
 * The URL of a worker's built module. Tests run from `src`, but Node 20 cannot start a thread from TypeScript.
 *
 * @param from `import.meta.url` of the module that starts the thread
 * @param name the worker's module, relative and without extension: `./hash-worker`
 */
export function workerUrl(from: string, name: string): URL {
  const built = from.endsWith('.ts') ? from.replace(/\/src\/(?!.*\/src\/)/, '/dist/') : from;
  return new URL(`${name}.js`, built);
}

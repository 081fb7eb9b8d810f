/** Re-exports the catalog's records, because faces may import only the core. */
export * from '../catalog/model.ts';
export { isLockedRefusal } from '../catalog/object-lock-rules.ts';

/** The records of the catalog, for the faces: they know the core, and the core alone knows the catalog. */
export * from '../catalog/model.ts';
export { isLockedRefusal } from '../catalog/object-lock-rules.ts';

export const mayImport: Readonly<Record<string, readonly string[]>>;
export const homes: Readonly<Record<string, readonly string[]>>;

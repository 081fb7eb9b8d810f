/** Types of the parts of multer that the form uses; the package has none. */
declare module 'multer' {
  import type { RequestHandler, Request } from 'express';
  import type { Readable, Writable } from 'node:stream';

  interface File {
    readonly fieldname: string;
    readonly originalname: string;
    readonly mimetype: string;
    readonly stream: Readable;
  }

  interface StorageEngine {
    _handleFile(req: Request, file: File, done: (error: Error | null, info?: Record<string, unknown>) => void): void;
    _removeFile(req: Request, file: File, done: (error: Error | null) => void): void;
  }

  interface Options {
    readonly storage: StorageEngine;
    readonly limits?: Readonly<Record<string, number>>;
    readonly defParamCharset?: string;
    readonly streamHandler?: (req: Request, busboy: Writable) => void;
  }

  function multer(options: Options): { single(field: string): RequestHandler; any(): RequestHandler };
  export default multer;
  export type { File, StorageEngine };
}

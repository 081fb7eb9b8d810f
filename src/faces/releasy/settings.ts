/** Settings of the Releasy API, read by `config/releasy.ts`. */
export interface ReleasySettings {
  /** The namespace that owns the releases. */
  readonly namespace: string;
  /** Key with all rights; undefined for none. */
  readonly adminKey: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** The client in `resource_access` whose roles count. */
  readonly resource: string | undefined;
  /** Milliseconds, like the durations below. */
  readonly jwksAge: number;
  readonly leeway: number;
  readonly tokenAge: number;
  /** Public URL of this server, without a trailing slash; undefined: the address it listens on. */
  readonly publicUrl: string | undefined;
  /** Null disables artifacts. */
  readonly bucket: string | null;
  readonly presignAge: number;
  /** Whether this server sends downloads itself instead of redirecting to S3. */
  readonly downloads: 'redirect' | 'direct';
  /** A foreign S3 store; all undefined for this server's own. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly pathStyle: boolean;
}

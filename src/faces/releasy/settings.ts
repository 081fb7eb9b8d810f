/** What the Releasy API is set to. The table of settings, `config/releasy.ts`, fills this. */
export interface ReleasySettings {
  /** The namespace that owns the releases. */
  readonly namespace: string;
  /** Opens everything; undefined for none. */
  readonly adminKey: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Whose roles in `resource_access` count. */
  readonly resource: string | undefined;
  /** Milliseconds, as are the times below. */
  readonly jwksAge: number;
  readonly leeway: number;
  readonly tokenAge: number;
  /** Where clients find this server, without a slash at the end; undefined for where it listens. */
  readonly publicUrl: string | undefined;
  /** Null for no artifacts. */
  readonly bucket: string | null;
  readonly presignAge: number;
  /** Whether downloads are sent from here, and not led to S3. */
  readonly downloads: 'redirect' | 'direct';
  /** These name another S3 than ours; all undefined for ours. */
  readonly endpoint: string | undefined;
  readonly region: string | undefined;
  readonly accessKey: string | undefined;
  readonly secretKey: string | undefined;
  readonly pathStyle: boolean;
}

/** Settings of the Releasy face. Their names are Releasy's own, so that operators keep their configuration. */
import type { ReleasySettings } from '../faces/releasy/settings.ts';
import {
  baseAddress,
  nodeName,
  oneOf,
  seconds,
  secretToken,
  webAddress,
  words,
  yesOrNo,
  type Settings,
} from './parsers.ts';

export interface ReleasyConfig extends ReleasySettings {
  /** Mixed into the stored verifiers of API keys and download tokens. */
  readonly pepper: string | undefined;
}

const week = 604_800;

export const releasySettings: Settings<ReleasyConfig> = {
  namespace: {
    name: 'STOWAGE_RELEASY_NAMESPACE',
    otherwise: 'releasy',
    read: nodeName,
    sentence: 'The namespace that owns the releases of the Releasy API.',
  },
  adminKey: {
    name: 'RELEASY_ADMIN_API_KEY',
    otherwise: undefined,
    read: secretToken,
    sentence:
      'The administrator key of the Releasy API. Without it and RELEASY_OPERATOR_JWKS_URL, every administrative request is refused.',
  },
  pepper: {
    name: 'RELEASY_API_KEY_PEPPER',
    otherwise: undefined,
    read: words,
    sentence: 'Secret with which the API keys of customers are hashed. Changing it invalidates all of them.',
  },
  jwksUrl: {
    name: 'RELEASY_OPERATOR_JWKS_URL',
    otherwise: undefined,
    read: webAddress,
    sentence: 'URL of the public keys (JWKS) that verify the JWTs of operators (RS256, ES256).',
  },
  issuer: {
    name: 'RELEASY_OPERATOR_ISSUER',
    otherwise: undefined,
    read: words,
    sentence: 'The issuer that the JWTs of operators must name.',
  },
  audience: {
    name: 'RELEASY_OPERATOR_AUDIENCE',
    otherwise: undefined,
    read: words,
    sentence: 'The audience that the JWTs of operators must name.',
  },
  resource: {
    name: 'RELEASY_OPERATOR_RESOURCE',
    otherwise: undefined,
    read: words,
    sentence: 'The client whose roles in resource_access count, in addition to roles and realm_access.',
  },
  jwksAge: {
    name: 'RELEASY_OPERATOR_JWKS_TTL_SECONDS',
    otherwise: '300',
    read: seconds(0, week),
    sentence: 'How long the public keys are cached.',
  },
  leeway: {
    name: 'RELEASY_OPERATOR_JWT_LEEWAY_SECONDS',
    otherwise: '0',
    read: seconds(0, 86_400),
    sentence: 'Allowed difference between the clock of the issuer of JWTs and that of the server.',
  },
  tokenAge: {
    name: 'RELEASY_DOWNLOAD_TOKEN_TTL_SECONDS',
    otherwise: '600',
    read: seconds(1, week),
    sentence: 'The longest validity of a download token.',
  },
  publicUrl: {
    name: 'RELEASY_PUBLIC_BASE_URL',
    otherwise: undefined,
    read: baseAddress,
    sentence: 'URL of this server for clients, used in download URLs. Default: the address that it listens on.',
  },
  bucket: {
    name: 'RELEASY_ARTIFACT_BUCKET',
    otherwise: 'releases',
    read: words,
    blank: null,
    sentence: 'The bucket for artifacts of releases, created at first use. An empty value switches artifacts off.',
  },
  presignAge: {
    name: 'RELEASY_ARTIFACT_PRESIGN_EXPIRES_SECONDS',
    otherwise: '900',
    read: seconds(1, week),
    sentence: 'Validity of an upload URL for an artifact.',
  },
  downloads: {
    name: 'STOWAGE_RELEASY_DOWNLOADS',
    otherwise: 'redirect',
    read: oneOf('redirect', 'direct'),
    sentence:
      'Whether a download token redirects to a signed S3 URL. Otherwise, and where S3 is off, the answer has the bytes.',
  },
  endpoint: {
    name: 'RELEASY_ARTIFACT_ENDPOINT',
    otherwise: undefined,
    read: baseAddress,
    sentence: 'Another S3 store for the artifacts, in place of this server; see the next four settings.',
  },
  region: { name: 'RELEASY_ARTIFACT_REGION', otherwise: undefined, read: nodeName, sentence: 'Its region.' },
  accessKey: {
    name: 'RELEASY_ARTIFACT_ACCESS_KEY',
    otherwise: undefined,
    read: secretToken,
    sentence: 'Access key id for that store.',
  },
  secretKey: {
    name: 'RELEASY_ARTIFACT_SECRET_KEY',
    otherwise: undefined,
    read: secretToken,
    sentence: 'Secret of that access key.',
  },
  pathStyle: {
    name: 'RELEASY_ARTIFACT_PATH_STYLE',
    otherwise: 'false',
    read: yesOrNo,
    sentence: 'Whether that store has the bucket in the path, not in the host name.',
  },
};

/** Errors in the combination of settings that are valid each. */
export function faultsAmong({ endpoint, region, accessKey, secretKey, bucket }: Partial<ReleasyConfig>): string[] {
  const needed = [region, accessKey, secretKey];
  if ([endpoint, ...needed].every((one) => one === undefined)) return [];
  if (needed.every((one) => one !== undefined) && bucket) return [];
  return [
    'set all of RELEASY_ARTIFACT_BUCKET, RELEASY_ARTIFACT_REGION, RELEASY_ARTIFACT_ACCESS_KEY and RELEASY_ARTIFACT_SECRET_KEY',
  ];
}

/** The settings of the Releasy face. Their names are those that Releasy has, so that its operators keep what they have set. */
import type { ReleasySettings } from '../faces/releasy/settings.ts';
import { baseAddress, nodeName, oneOf, seconds, token, webAddress, words, yesOrNo, type Settings } from './parsers.ts';

export interface ReleasyConfig extends ReleasySettings {
  /** Goes into the verifiers of API keys and download tokens. */
  readonly pepper: string | undefined;
}

const week = 604_800;

export const releasySettings: Settings<ReleasyConfig> = {
  namespace: {
    name: 'STOWAGE_RELEASY_NAMESPACE',
    otherwise: 'releasy',
    read: nodeName,
    sentence: 'The namespace that owns what the Releasy API releases.',
  },
  adminKey: {
    name: 'RELEASY_ADMIN_API_KEY',
    otherwise: undefined,
    read: token,
    sentence:
      'The key that may do everything in the Releasy API. Without it and RELEASY_OPERATOR_JWKS_URL nobody may do anything there.',
  },
  pepper: {
    name: 'RELEASY_API_KEY_PEPPER',
    otherwise: undefined,
    read: words,
    sentence: "A secret that customers' API keys are kept with; another one makes all of them useless.",
  },
  jwksUrl: {
    name: 'RELEASY_OPERATOR_JWKS_URL',
    otherwise: undefined,
    read: webAddress,
    sentence: "Where the public keys are that operators' JWTs are signed with (RS256, ES256).",
  },
  issuer: {
    name: 'RELEASY_OPERATOR_ISSUER',
    otherwise: undefined,
    read: words,
    sentence: 'Who must have issued such a JWT.',
  },
  audience: { name: 'RELEASY_OPERATOR_AUDIENCE', otherwise: undefined, read: words, sentence: 'For whom it must be.' },
  resource: {
    name: 'RELEASY_OPERATOR_RESOURCE',
    otherwise: undefined,
    read: words,
    sentence: 'Whose roles in its resource_access count, beside those in roles and realm_access.',
  },
  jwksAge: {
    name: 'RELEASY_OPERATOR_JWKS_TTL_SECONDS',
    otherwise: '300',
    read: seconds(0, week),
    sentence: 'How long those keys are kept before they are asked for again.',
  },
  leeway: {
    name: 'RELEASY_OPERATOR_JWT_LEEWAY_SECONDS',
    otherwise: '0',
    read: seconds(0, 86_400),
    sentence: 'How far the clock of whoever signs JWTs may be off.',
  },
  tokenAge: {
    name: 'RELEASY_DOWNLOAD_TOKEN_TTL_SECONDS',
    otherwise: '600',
    read: seconds(1, week),
    sentence: 'How long a download token is good, at most.',
  },
  publicUrl: {
    name: 'RELEASY_PUBLIC_BASE_URL',
    otherwise: undefined,
    read: baseAddress,
    sentence: 'Where clients find this server, for download URLs. Without it, where it listens.',
  },
  bucket: {
    name: 'RELEASY_ARTIFACT_BUCKET',
    otherwise: 'releases',
    read: words,
    blank: null,
    sentence:
      'The bucket that artifacts of releases are uploaded to; made when it is first needed. Set to nothing, there are none.',
  },
  presignAge: {
    name: 'RELEASY_ARTIFACT_PRESIGN_EXPIRES_SECONDS',
    otherwise: '900',
    read: seconds(1, week),
    sentence: 'How long a URL is good that an artifact is uploaded to.',
  },
  downloads: {
    name: 'STOWAGE_RELEASY_DOWNLOADS',
    otherwise: 'redirect',
    read: oneOf('redirect', 'direct'),
    sentence:
      'Whether a download token leads to a signed URL of S3, or to the bytes themselves, as they do where S3 is off.',
  },
  endpoint: {
    name: 'RELEASY_ARTIFACT_ENDPOINT',
    otherwise: undefined,
    read: baseAddress,
    sentence: 'Another S3 that keeps the artifacts, in place of this server; so do the four that follow.',
  },
  region: { name: 'RELEASY_ARTIFACT_REGION', otherwise: undefined, read: nodeName, sentence: 'Its region.' },
  accessKey: {
    name: 'RELEASY_ARTIFACT_ACCESS_KEY',
    otherwise: undefined,
    read: token,
    sentence: 'The id of an access key of its.',
  },
  secretKey: {
    name: 'RELEASY_ARTIFACT_SECRET_KEY',
    otherwise: undefined,
    read: token,
    sentence: 'The secret of that key.',
  },
  pathStyle: {
    name: 'RELEASY_ARTIFACT_PATH_STYLE',
    otherwise: 'false',
    read: yesOrNo,
    sentence: 'Whether its buckets are in the path, and not in the host name.',
  },
};

/** What is wrong with settings that are each right. */
export function faultsAmong({ endpoint, region, accessKey, secretKey, bucket }: Partial<ReleasyConfig>): string[] {
  const needed = [region, accessKey, secretKey];
  if ([endpoint, ...needed].every((one) => one === undefined)) return [];
  if (needed.every((one) => one !== undefined) && bucket) return [];
  return [
    'RELEASY_ARTIFACT_BUCKET, RELEASY_ARTIFACT_REGION, RELEASY_ARTIFACT_ACCESS_KEY and RELEASY_ARTIFACT_SECRET_KEY need each other',
  ];
}

/** The client library for browsers and other platforms. For Node, `./node.ts` adds files and a faster transport. */
export { StowageClient, type StowageClientOptions } from './client.ts';
export type { Pullable, Pushable } from './source-sink.ts';
export { StowageError, type StowageCode, type StowageErrorOptions } from './error.ts';
export { Uploads, type AppendOptions } from './uploads.ts';
export { Artifacts, type ArtifactFilter, type ArtifactContent as Content, type PublishOptions } from './artifacts.ts';
export { Blobs, type BlobHead } from './blobs.ts';
export { AccessKeys, type Permission } from './access-keys.ts';
export { Namespaces } from './namespaces.ts';
export {
  Releases,
  type ReleaseArtifactView,
  type ReleaseCredentials,
  type ReleaseDownloadOptions,
  type ReleaseFilter,
  type ReleasesOptions,
  type ReleaseUploadOptions,
  type ReleaseView,
  type Released,
} from './releases/releases.ts';
export { Metadata } from './metadata.ts';
export type { Pushed, PushOptions, PushProgress } from './push.ts';
export type { Pulled, PullOptions, PullProgress } from './pull.ts';
export type { PaceOptions } from './pace.ts';
export type { Patience } from './retry.ts';
export type { UploadSource as Source } from './source.ts';
export { memorySink, streamSink, type Sink, type SinkTarget as Target } from './sink.ts';
export type { Hash, NewHash } from './hash.ts';
export type { JournalClaim as Claim, Journal, JournalEntry } from './journal.ts';
export { webPlatform, type Platform } from './platform.ts';
export {
  KEPT,
  type TransportAnswer as Incoming,
  type Outgoing,
  type RequestPayload as Payload,
  type Transport,
} from './transport.ts';
export type {
  AccessKeyView,
  ArtifactView,
  BlobView,
  EventView,
  NamespaceView,
  UploadView,
  VersionView,
} from './views.ts';

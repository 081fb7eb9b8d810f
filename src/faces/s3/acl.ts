/** Access control lists: canned ACLs and explicit grants. */
import { namespaceNameOf } from '../../core/tenants/identities.ts';
import type { Core } from '../../core/index.ts';
import { S3Error } from './errors.ts';
import type { accessControlPolicy } from './documents.ts';
import { elements, escape, type Elements, type Xml } from './xml.ts';

export type AclPermission = 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP' | 'FULL_CONTROL';

/** A namespace by identity, or a group. The bucket's owner may also be stored by name. */
type Grantee = { readonly kind: 'user'; readonly id: string } | { readonly kind: 'group'; readonly uri: string };

export interface AclGrant {
  readonly grantee: Grantee;
  readonly permission: AclPermission;
}

export interface Acl {
  readonly owner: string;
  readonly grants: readonly AclGrant[];
}

const permissions: readonly AclPermission[] = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'];
const everybody = 'http://acs.amazonaws.com/groups/global/AllUsers';
const authenticated = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers';
const groups: readonly string[] = [everybody, authenticated, 'http://acs.amazonaws.com/groups/s3/LogDelivery'];

/** The list with only its owner. */
export function privateAcl(owner: string): Acl {
  return { owner, grants: [{ grantee: { kind: 'user', id: owner }, permission: 'FULL_CONTROL' }] };
}

/** @param bucketOwner owner of the object's bucket @throws S3Error for an unknown canned ACL */
export function cannedAcl(name: string, owner: string, bucketOwner: string): Acl {
  const own = privateAcl(owner);
  const more = (uri: string, ...granted: AclPermission[]): Acl => ({
    owner,
    grants: [...granted.map((permission) => ({ grantee: { kind: 'group', uri } as const, permission })), ...own.grants],
  });
  const toOwner = (permission: AclPermission): Acl =>
    owner === bucketOwner
      ? own
      : { owner, grants: [...own.grants, { grantee: { kind: 'user', id: bucketOwner }, permission }] };
  switch (name) {
    case 'private':
      return own;
    case 'public-read':
      return more(everybody, 'READ');
    case 'public-read-write':
      return more(everybody, 'READ', 'WRITE');
    case 'authenticated-read':
      return more(authenticated, 'READ');
    case 'bucket-owner-read':
      return toOwner('READ');
    case 'bucket-owner-full-control':
      return toOwner('FULL_CONTROL');
    default:
      throw new S3Error('InvalidArgument', 'The canned ACL that you named does not exist.');
  }
}

/** The ACL in a request's headers; undefined if there is none. */
export async function aclFromHeaders(
  core: Core,
  header: (name: string) => string | undefined,
  owner: string,
  bucketOwner: string,
): Promise<Acl | undefined> {
  const canned = header('x-amz-acl');
  const grants: AclGrant[] = [];
  for (const permission of permissions) {
    const field = header(`x-amz-grant-${permission.toLowerCase().replaceAll('_', '-')}`);
    for (const item of field?.split(',') ?? []) {
      const { kind, value } = readGrantee(item);
      grants.push({ grantee: await granteeOf(core, kind, value), permission });
    }
  }
  if (canned !== undefined && grants.length > 0)
    throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed');
  if (canned !== undefined) return cannedAcl(canned, owner, bucketOwner);
  return grants.length === 0 ? undefined : { owner, grants };
}

/** Parses `id="..."`, quotes optional. A regular expression would take cubic time in the field's length. */
function readGrantee(item: string): { kind: string; value: string } {
  const [name = '', ...rest] = item.split('=');
  const kind = name.trim().toLowerCase();
  const said = rest.join('=').trim();
  const value = said.slice(said.startsWith('"') ? 1 : 0, said.length > 1 && said.endsWith('"') ? -1 : undefined);
  if (rest.length === 0 || !['id', 'uri', 'emailaddress'].includes(kind) || value.includes('"'))
    throw new S3Error('InvalidArgument', 'A grant names id, uri or emailAddress.');
  return { kind, value };
}

/** @throws S3Error for an invalid list, or one with another owner */
export async function aclFrom(
  core: Core,
  { Owner, AccessControlList }: ReturnType<typeof accessControlPolicy.read>,
  owner: string,
): Promise<Acl> {
  if (Owner.ID !== namespaceNameOf(owner)) throw new S3Error('AccessDenied');
  const grants: AclGrant[] = [];
  for (const {
    Grantee: { kind, value },
    Permission: permission,
  } of AccessControlList.Grant)
    grants.push({ grantee: await granteeOf(core, kind, value), permission });
  return { owner, grants };
}

async function granteeOf(core: Core, kind: string, value: string): Promise<Grantee> {
  if (kind === 'uri') {
    if (!groups.includes(value)) throw new S3Error('InvalidArgument', 'Invalid group uri');
    return { kind: 'group', uri: value };
  }
  // Namespaces have no email address, and S3 has retired such grants.
  if (kind === 'emailaddress')
    throw new S3Error(
      'UnresolvableGrantByEmailAddress',
      'The email address you provided does not match any account on record.',
    );
  const id = await core.namespaces.identity(value);
  if (id === undefined) throw new S3Error('InvalidArgument', 'Invalid id');
  return { kind: 'user', id };
}

export function renderAcl({ owner, grants }: Acl): Elements {
  // Groups first, as in S3.
  const ordered = [
    ...grants.filter(({ grantee }) => grantee.kind === 'group'),
    ...grants.filter(({ grantee }) => grantee.kind === 'user'),
  ];
  return {
    Owner: ownerElement(owner),
    AccessControlList: elements({
      Grant: ordered.map(({ grantee, permission }) => ({
        xml: `${granteeXml(grantee)}${elements({ Permission: permission }).xml}`,
      })),
    }),
  };
}

function granteeXml(grantee: Grantee): string {
  const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type=';
  return grantee.kind === 'user'
    ? `<Grantee ${xsi}"CanonicalUser">${ownerElement(grantee.id).xml}</Grantee>`
    : `<Grantee ${xsi}"Group"><URI>${escape(grantee.uri)}</URI></Grantee>`;
}

/** A namespace as S3's `Owner` or `Grantee`. */
export function ownerElement(identity: string): Xml {
  const name = namespaceNameOf(identity);
  return elements({ ID: name, DisplayName: name });
}

/** @param names identities of the caller in the list; empty for an anonymous caller */
export function aclAllows(
  { grants }: Acl,
  names: readonly string[],
  permission: AclPermission,
  ignorePublic: boolean,
): boolean {
  return grants.some(
    ({ grantee, permission: granted }) =>
      (granted === permission || granted === 'FULL_CONTROL') && isGrantee(grantee, names, ignorePublic),
  );
}

function isGrantee(grantee: Grantee, names: readonly string[], ignorePublic: boolean): boolean {
  if (grantee.kind === 'user') return names.includes(grantee.id);
  if (ignorePublic) return false;
  return grantee.uri === everybody || (grantee.uri === authenticated && names.length > 0);
}

/** Whether the list grants access to a public group. */
export function isPublicAcl({ grants }: Acl): boolean {
  return grants.some(
    ({ grantee }) => grantee.kind === 'group' && (grantee.uri === everybody || grantee.uri === authenticated),
  );
}

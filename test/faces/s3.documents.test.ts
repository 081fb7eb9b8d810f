/** S3 documents: missing, unknown, repeated and invalid elements are refused without a change. */
import * as sdk from '@aws-sdk/client-s3';
import { documentOfNodes, everyNode, type Tree } from '../support/trees.ts';
import { plain, s3Client, type Plain } from '../support/s3.ts';
import { presignByHand, type HandKey } from '../support/sigv4.ts';
import { openWorld, type World } from '../support/world.ts';

const Bucket = 'documents';
let world: World;
let s3: sdk.S3Client;
let key: HandKey;

beforeAll(async () => {
  world = await openWorld();
  s3 = await s3Client(world);
  key = await world.accessKey();
  await s3.send(new sdk.CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
  await s3.send(new sdk.CreateBucketCommand({ Bucket: 'plain-documents' }));
  for (const Key of ['k', 'other'])
    await s3.send(new sdk.PutObjectCommand({ Bucket: 'plain-documents', Key, Body: 'kept' }));
  await s3.send(new sdk.PutObjectCommand({ Bucket, Key: 'k', Body: 'kept' }));
});
afterAll(() => world.close());

function send(method: string, target: string, body: string | Uint8Array): Promise<Plain> {
  const url = presignByHand({ key, method, url: new URL(`${world.s3Url}/${target}`), at: world.clock.now() });
  return plain(url, { method, body: typeof body === 'string' ? body : Buffer.from(body) });
}

const leaf = (name: string, text: string): Tree => ({ name, children: text });
const branch = (name: string, ...children: Tree[]): Tree => ({ name, children });
const xsi = { 'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance', 'xsi:type': 'CanonicalUser' };

interface Sample {
  readonly method: string;
  readonly target: string;
  readonly tree: Tree;
  /** Elements that may be left out, and such as may come twice. */
  readonly optional?: readonly string[];
  readonly repeated?: readonly string[];
}

/** A valid document of each kind. */
const samples: Readonly<Record<string, Sample>> = {
  Tagging: {
    method: 'PUT',
    target: `${Bucket}/k?tagging`,
    repeated: ['Tag'],
    optional: ['Tag'],
    tree: branch('Tagging', branch('TagSet', branch('Tag', leaf('Key', 'a'), leaf('Value', 'b')))),
  },
  Delete: {
    method: 'POST',
    target: 'plain-documents?delete',
    repeated: ['Object'],
    optional: ['Quiet', 'VersionId'],
    tree: branch('Delete', leaf('Quiet', 'true'), branch('Object', leaf('Key', 'none'), leaf('VersionId', 'null'))),
  },
  CORSConfiguration: {
    method: 'PUT',
    target: `${Bucket}?cors`,
    repeated: ['CORSRule', 'AllowedOrigin', 'AllowedMethod', 'AllowedHeader', 'ExposeHeader'],
    optional: ['ID', 'AllowedHeader', 'ExposeHeader', 'MaxAgeSeconds'],
    tree: branch(
      'CORSConfiguration',
      branch(
        'CORSRule',
        leaf('ID', 'a'),
        leaf('AllowedOrigin', '*'),
        leaf('AllowedMethod', 'GET'),
        leaf('AllowedHeader', '*'),
        leaf('ExposeHeader', 'ETag'),
        leaf('MaxAgeSeconds', '5'),
      ),
    ),
  },
  LifecycleConfiguration: {
    method: 'PUT',
    target: `${Bucket}?lifecycle`,
    optional: ['ID', 'Tag', 'And', 'Prefix', 'ObjectSizeGreaterThan', 'Expiration', 'NoncurrentVersionExpiration'],
    tree: branch(
      'LifecycleConfiguration',
      branch(
        'Rule',
        leaf('ID', 'a'),
        leaf('Status', 'Enabled'),
        branch(
          'Filter',
          branch(
            'And',
            leaf('Prefix', 'never/'),
            leaf('ObjectSizeGreaterThan', '5'),
            branch('Tag', leaf('Key', 'a'), leaf('Value', 'b')),
          ),
        ),
        branch('Expiration', leaf('Days', '1')),
        branch('NoncurrentVersionExpiration', leaf('NoncurrentDays', '1')),
      ),
    ),
    repeated: ['Tag'],
  },
  VersioningConfiguration: {
    method: 'PUT',
    target: 'plain-documents?versioning',
    tree: branch('VersioningConfiguration', leaf('Status', 'Suspended')),
  },
  AccessControlPolicy: {
    method: 'PUT',
    target: `${Bucket}?acl`,
    repeated: ['Grant'],
    optional: ['DisplayName', 'Grant'],
    tree: branch(
      'AccessControlPolicy',
      branch('Owner', leaf('ID', 'system'), leaf('DisplayName', 'system')),
      branch(
        'AccessControlList',
        branch('Grant', { ...branch('Grantee', leaf('ID', 'system')), attributes: xsi }, leaf('Permission', 'READ')),
      ),
    ),
  },
  ObjectLockConfiguration: {
    method: 'PUT',
    target: `${Bucket}?object-lock`,
    optional: ['Rule'],
    tree: branch(
      'ObjectLockConfiguration',
      leaf('ObjectLockEnabled', 'Enabled'),
      branch('Rule', branch('DefaultRetention', leaf('Mode', 'GOVERNANCE'), leaf('Days', '1'))),
    ),
  },
  LegalHold: { method: 'PUT', target: `${Bucket}/k?legal-hold`, tree: branch('LegalHold', leaf('Status', 'OFF')) },
  Retention: {
    method: 'PUT',
    target: `${Bucket}/k?retention`,
    tree: branch('Retention', leaf('Mode', 'GOVERNANCE'), leaf('RetainUntilDate', '2099-01-01T00:00:00Z')),
  },
  OwnershipControls: {
    method: 'PUT',
    target: `${Bucket}?ownershipControls`,
    tree: branch('OwnershipControls', branch('Rule', leaf('ObjectOwnership', 'ObjectWriter'))),
  },
  PublicAccessBlockConfiguration: {
    method: 'PUT',
    target: `${Bucket}?publicAccessBlock`,
    optional: ['BlockPublicAcls', 'IgnorePublicAcls'],
    tree: branch('PublicAccessBlockConfiguration', leaf('BlockPublicAcls', '1'), leaf('IgnorePublicAcls', 'false')),
  },
  CreateBucketConfiguration: {
    method: 'PUT',
    target: 'made-by-document',
    optional: ['LocationConstraint', 'Tags', 'Tag'],
    repeated: ['Tag'],
    tree: branch(
      'CreateBucketConfiguration',
      leaf('LocationConstraint', 'us-east-1'),
      branch('Tags', branch('Tag', leaf('Key', 'a'), leaf('Value', 'b'))),
    ),
  },
};

describe.each(Object.entries(samples))('%s', (_name, { method, target, tree, optional = [], repeated = [] }) => {
  const codeOf = async (changed: Tree): Promise<string | undefined> =>
    (await send(method, target, documentOfNodes(changed))).code;

  test('is taken in any namespace, with any prefix, with space and comments within', async () => {
    const text = documentOfNodes(tree);
    const prefixed = text
      .replaceAll(/<(\/?)(\w)/g, '<$1s3:$2')
      .replace(/^<s3:\w+/, '$& xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"');
    const spaced = `\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<!-- one -->${text.replaceAll('><', '>\n  <')}`;
    for (const form of [text, prefixed, spaced])
      expect({ form, code: (await send(method, target, form)).code }).toEqual({ form, code: undefined });
  });

  test('is refused without what it must have, with what it has not, and with what it has twice', async () => {
    for (const { path, node } of everyNode(tree)) {
      if (path.length > 0 && !optional.includes(node.name)) {
        expect({ name: node.name, fault: 'missing', code: await codeOf(path.without()) }).toEqual({
          name: node.name,
          fault: 'missing',
          code: 'MalformedXML',
        });
      }
      if (path.length > 0 && !repeated.includes(node.name)) {
        expect({ name: node.name, fault: 'twice', code: await codeOf(path.twice()) }).toEqual({
          name: node.name,
          fault: 'twice',
          code: expect.stringMatching(/^(?:MalformedXML|InvalidArgument)$/),
        });
      }
      expect({
        name: node.name,
        fault: 'a stranger within',
        code: await codeOf(path.with(branch('Stranger'))),
      }).toEqual({ name: node.name, fault: 'a stranger within', code: 'MalformedXML' });
      if (typeof node.children !== 'string') {
        expect({ name: node.name, fault: 'text within', code: await codeOf(path.with('text')) }).toEqual({
          name: node.name,
          fault: 'text within',
          code: 'MalformedXML',
        });
      }
    }
  });

  test('is refused as anything but one document in UTF-8 without a document type', async () => {
    const text = documentOfNodes(tree);
    const foreign = text
      .replace(/^<(\w+)>/, '<$1 xmlns="http://s3.amazonaws.com/doc/2006-03-01/">')
      .replace(/<(\w+)>(?!.*<\w+>)/s, '<$1 xmlns="http://else.test/">');
    const forms = [
      '',
      'text',
      '<Other/>',
      text.slice(0, -1),
      `${text}${text}`,
      `<!DOCTYPE a [<!ENTITY e "x">]>${text}`,
      text.replace(/>([^<]+)</, '>&e;<'),
      text.replaceAll(/<(\/?)(\w)/g, '<$1s3:$2'),
      foreign,
      `<?xml version="1.0" encoding="UTF-16"?>${text}`,
      `${text.slice(0, -1)}\0>`,
      `${'<a>'.repeat(3000)}`,
    ];
    for (const form of forms) {
      if (form === '' && target === 'made-by-document') continue;
      expect({ form, code: (await send(method, target, form)).code }).toEqual({ form, code: 'MalformedXML' });
    }
    expect(
      (
        await send(
          method,
          target,
          Buffer.concat([Buffer.from(text.replace(/<\/\w+>$/, '<!--')), Buffer.from([0xff, 0xfe]), Buffer.from('-->')]),
        )
      ).code,
    ).toBe('MalformedXML');
    expect((await send(method, target, `${text}${' '.repeat(9 * 1024 * 1024)}`)).code).toBe('MaxMessageLengthExceeded');
  });
});

describe('A2: a multipart upload is completed with the parts that it names, or not at all', () => {
  let UploadId = '';
  let ETag = '';
  const part = (number: string, tag: string, more = ''): string => `<Part>${number}${tag}${more}</Part>`;
  const complete = (parts: string): Promise<Plain> =>
    send(
      'POST',
      `plain-documents/k?uploadId=${UploadId}`,
      `<CompleteMultipartUpload>${parts}</CompleteMultipartUpload>`,
    );

  beforeAll(async () => {
    UploadId = (await s3.send(new sdk.CreateMultipartUploadCommand({ Bucket: 'plain-documents', Key: 'k' }))).UploadId!;
    ETag = (
      await s3.send(
        new sdk.UploadPartCommand({ Bucket: 'plain-documents', Key: 'k', UploadId, PartNumber: 1, Body: 'part' }),
      )
    ).ETag!.replaceAll('"', '&quot;');
    await s3.send(
      new sdk.UploadPartCopyCommand({
        Bucket: 'plain-documents',
        Key: 'k',
        UploadId,
        PartNumber: 2,
        CopySource: 'plain-documents/other',
      }),
    );
  });

  test('every other document is refused, the parts stay, and the object too', async () => {
    const [one, tag] = ['<PartNumber>1</PartNumber>', `<ETag>${ETag}</ETag>`];
    const bad: Record<string, readonly string[]> = {
      MalformedXML: [
        '',
        '<Part/>',
        part('', tag),
        part(one, ''),
        part(one, tag) + part('', tag),
        part(`${one}${one}`, tag),
        part(one, `${tag}${tag}`),
        part(one, tag, '<Size>4</Size>'),
        part(one, tag) + '<Else/>',
        part('<PartNumber/>', tag),
        part('<PartNumber>1.0</PartNumber>', tag),
        part('<PartNumber>1e0</PartNumber>', tag),
        part('<PartNumber>0x1</PartNumber>', tag),
        part('<PartNumber><a/>1</PartNumber>', tag),
        part(one, '<ETag><a/></ETag>'),
        part(one, tag).repeat(10_001),
      ],
      InvalidArgument: [part('<PartNumber>0</PartNumber>', tag), part('<PartNumber>-1</PartNumber>', tag)],
      InvalidPart: [
        part('<PartNumber>3</PartNumber>', tag),
        part('<PartNumber>10001</PartNumber>', tag),
        part(one, '<ETag/>'),
        part(one, `<ETag>${'0'.repeat(32)}</ETag>`),
      ],
    };
    for (const [code, documents] of Object.entries(bad)) {
      for (const text of documents)
        expect({ text: text.slice(0, 200), code: (await complete(text)).code }).toEqual({
          text: text.slice(0, 200),
          code,
        });
    }
    expect(
      (await s3.send(new sdk.ListPartsCommand({ Bucket: 'plain-documents', Key: 'k', UploadId }))).Parts!.length,
    ).toBe(2);
    expect(
      await (
        await s3.send(new sdk.GetObjectCommand({ Bucket: 'plain-documents', Key: 'k' }))
      ).Body!.transformToString(),
    ).toBe('kept');
    expect((await complete(part(one, tag))).status).toBe(200);
    expect(
      await (
        await s3.send(new sdk.GetObjectCommand({ Bucket: 'plain-documents', Key: 'k' }))
      ).Body!.transformToString(),
    ).toBe('part');
  });
});

describe('A3: a lifecycle rule that is not understood is refused, and one that is expires what it says alone', () => {
  const put = (...rules: string[]): Promise<Plain> =>
    send(
      'PUT',
      'expiring?lifecycle',
      `<LifecycleConfiguration>${rules.map((rule) => `<Rule>${rule}</Rule>`).join('')}</LifecycleConfiguration>`,
    );
  const [enabled, day, all] = ['<Status>Enabled</Status>', '<Expiration><Days>1</Days></Expiration>', '<Filter/>'];
  beforeAll(() => s3.send(new sdk.CreateBucketCommand({ Bucket: 'expiring' })));

  test.each([
    ['no Filter and no Prefix', `${enabled}${day}`, 'MalformedXML'],
    ['both', `${enabled}${day}${all}<Prefix>a</Prefix>`, 'MalformedXML'],
    ['a stranger in the Filter', `${enabled}${day}<Filter><Suffix>a</Suffix></Filter>`, 'MalformedXML'],
    [
      'a stranger in the And',
      `${enabled}${day}<Filter><And><Prefix>a</Prefix><Suffix>a</Suffix></And></Filter>`,
      'MalformedXML',
    ],
    ['an And that says nothing', `${enabled}${day}<Filter><And/></Filter>`, 'MalformedXML'],
    [
      'two tags outside of an And',
      `${enabled}${day}<Filter>${'<Tag><Key>a</Key><Value>b</Value></Tag>'.repeat(2)}</Filter>`,
      'MalformedXML',
    ],
    ['a Tag without a Value', `${enabled}${day}<Filter><Tag><Key>a</Key></Tag></Filter>`, 'MalformedXML'],
    ['two prefixes', `${enabled}${day}<Prefix>a</Prefix><Prefix>b</Prefix>`, 'MalformedXML'],
    [
      'a size that is none',
      `${enabled}${day}<Filter><ObjectSizeGreaterThan>1k</ObjectSizeGreaterThan></Filter>`,
      'MalformedXML',
    ],
    ['no Status', `${day}${all}`, 'MalformedXML'],
    ['no action', `${enabled}${all}`, 'InvalidRequest'],
    ['an Expiration of nothing', `${enabled}${all}<Expiration/>`, 'MalformedXML'],
    [
      'an Expiration of two',
      `${enabled}${all}<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>`,
      'MalformedXML',
    ],
    ['half a day', `${enabled}${all}<Expiration><Days>0.5</Days></Expiration>`, 'MalformedXML'],
    ['no days', `${enabled}${all}<Expiration><Days>0</Days></Expiration>`, 'InvalidArgument'],
    [
      'a date in the day',
      `${enabled}${all}<Expiration><Date>2030-01-01T00:00:01Z</Date></Expiration>`,
      'InvalidArgument',
    ],
    ['a date that is none', `${enabled}${all}<Expiration><Date>20300101</Date></Expiration>`, 'MalformedXML'],
    [
      'a mark that is neither true nor false',
      `${enabled}${all}<Expiration><ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker></Expiration>`,
      'MalformedXML',
    ],
    [
      'versions without days',
      `${enabled}${all}<NoncurrentVersionExpiration><NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>`,
      'MalformedXML',
    ],
    [
      'an abort of uploads with a tag',
      `${enabled}<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>`,
      'InvalidRequest',
    ],
    [
      'a transition',
      `${enabled}${all}<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>`,
      'NotImplemented',
    ],
  ])('%s', async (_what, rule, code) => {
    expect((await put(rule)).code).toBe(code);
    expect((await send('GET', 'expiring?lifecycle', '').catch(() => undefined))?.status ?? 404).toBe(404);
  });
});

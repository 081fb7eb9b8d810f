import { sql } from 'kysely';
import type { TriggerRule } from '../dialect.ts';
import type { Migration } from './migration.ts';

/** A table whose rows count in their namespace's ledger. */
interface Charge {
  readonly table: string;
  /** The row's stored bytes, and the columns that they depend on. */
  readonly stored?: readonly [changing: readonly string[], bytes: (row: string) => string];
  /** Text columns whose length the client chooses. */
  readonly texts: readonly string[];
  /** Where to find the namespace if the row has none: table, its key, and the row's column with that key. */
  readonly of?: readonly [table: string, key: string, column: string];
  /** A column and a condition under which a row counts. Ended records are kept for a limited time and do not count. */
  readonly while?: readonly [column: string, condition: string];
}

const charges: readonly Charge[] = [
  { table: 'versions', stored: [[], (row) => `${row}.size`], texts: [] },
  { table: 'artifacts', texts: ['name', 'source_url'], while: ['deleted_at', 'is null'] },
  { table: 'objects', texts: ['key', 'etag', 'about'], of: ['buckets', 'name', 'bucket'] },
  { table: 'buckets', texts: ['name', 'settings'] },
  { table: 'uploads', texts: ['about'], while: ['state', "= 'open'"] },
  { table: 'multiparts', texts: ['key', 'about'], while: ['outcome', 'is null'] },
  { table: 'parts', texts: ['etag', 'about'], of: ['multiparts', 'id', 'multipart'] },
  {
    table: 'metadata',
    stored: [['key', 'value'], (row) => `(octet_length(${row}.key) + octet_length(${row}.value))`],
    texts: [],
  },
  { table: 'credentials', texts: ['name'] },
  { table: 'keys', texts: ['name', 'grants'] },
  { table: 'releases', texts: ['product', 'version'] },
  { table: 'slots', texts: ['key', 'platform', 'file_name'], of: ['releases', 'id', 'release'] },
  {
    table: 'release_files',
    texts: ['key', 'platform', 'file_name', 'etag', 'about', 'request', 'version_id'],
    of: ['releases', 'id', 'release'],
  },
  { table: 'customers', texts: ['name', 'plan', 'folded_name', 'folded_plan'] },
  { table: 'entitlements', texts: ['product', 'metadata'], of: ['customers', 'id', 'customer'] },
  { table: 'customer_keys', texts: ['name', 'scopes'], of: ['customers', 'id', 'customer'] },
];

/** Bytes that every row counts besides its texts, for its other columns and index entries. */
const perRow = 512;

function ownerOf({ of }: Charge, row: string): string {
  return of
    ? `(select owners.namespace from ${of[0]} as owners where owners.${of[1]} = ${row}.${of[2]})`
    : `${row}.namespace`;
}

function amountOf({ texts, while: condition }: Charge, row: string): string {
  const amount = [perRow, ...texts.map((text) => `coalesce(octet_length(${row}.${text}), 0)`)].join(' + ');
  return condition ? `case when ${row}.${condition[0]} ${condition[1]} then ${amount} else 0 end` : `(${amount})`;
}

const storedOf = ({ stored }: Charge, row: string): string => stored?.[1](row) ?? '0';

/** SQL that recounts the rows of every namespace: `namespace`, `stored`, `records`. */
export const recount = `select namespace, sum(stored) as stored, sum(records) as records from (
  ${charges
    .map(
      (charge) =>
        `select ${ownerOf(charge, 'r')} as namespace, ${storedOf(charge, 'r')} as stored,
          ${amountOf(charge, 'r')} as records from ${charge.table} as r`,
    )
    .join(' union all ')}
) as counted group by namespace`;

/** Step 13: rows count toward the quota, so that a namespace cannot fill the disk with records without bytes. */
export const recordsStep: Migration = {
  name: 'records in ledgers',
  async up(db, dialect) {
    const replaced = [
      ['ledger_opened', 'namespaces'],
      ['ledger_more', 'versions'],
      ['ledger_less', 'versions'],
      ['notes_more', 'metadata'],
      ['notes_less', 'metadata'],
      ['notes_changed', 'metadata'],
    ] as const;
    const statements = [
      ...replaced.map(([name, table]) => dialect.dropTrigger(name, table)),
      'alter table ledgers add column records bigint not null default 0',
      'alter table metadata drop column size',
      `update ledgers set stored = 0`,
      `update ledgers set stored = counted.stored, records = counted.records
        from (${recount}) as counted where counted.namespace = ledgers.namespace`,
      // SQLite looks up the multipart uploads of each new bucket because of the trigger on buckets.
      'create index multiparts_of_bucket on multiparts (bucket)',
      ...rules().flatMap((rule) => dialect.trigger(rule)),
    ];
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};

function rules(): TriggerRule[] {
  const opened = "insert into ledgers (namespace, stored, records, month, sent) values (new.name, 0, 0, '', 0)";
  return [
    { name: 'ledger_opened', table: 'namespaces', event: 'insert', condition: '1 = 1', action: opened },
    ...charges.flatMap((charge) => rulesOf(charge)),
  ];
}

function rulesOf(charge: Charge): TriggerRule[] {
  const { table, texts, stored, while: condition } = charge;
  const columns = [...texts, ...(stored?.[0] ?? []), ...(condition ? [condition[0]] : [])];
  const book = (row: string, change: (amount: typeof amountOf) => string): string => {
    const bytes = stored ? `stored = stored ${change(storedOf)}, ` : '';
    return `update ledgers set ${bytes}records = records ${change(amountOf)} where namespace = ${ownerOf(charge, row)}`;
  };
  const rule = (kind: string, event: string, when: string, action: string): TriggerRule => ({
    name: `${table}_${kind}`,
    table,
    event,
    condition: when,
    action,
  });
  const counts = (row: string): string => (condition ? `${row}.${condition[0]} ${condition[1]}` : '1 = 1');
  const differ = [amountOf, ...(stored ? [storedOf] : [])]
    .map((amount) => `${amount(charge, 'new')} <> ${amount(charge, 'old')}`)
    .join(' or ');
  const difference = book('new', (amount) => `+ ${amount(charge, 'new')} - ${amount(charge, 'old')}`);
  return [
    rule(
      'charged',
      'insert',
      counts('new'),
      book('new', (amount) => `+ ${amount(charge, 'new')}`),
    ),
    rule(
      'given_back',
      'delete',
      counts('old'),
      book('old', (amount) => `- ${amount(charge, 'old')}`),
    ),
    ...(columns.length > 0 ? [rule('charge_changed', `update of ${columns.join(', ')}`, differ, difference)] : []),
  ];
}

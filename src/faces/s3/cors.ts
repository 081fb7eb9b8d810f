/** CORS configuration of buckets. */
import type { Request, Response } from 'express';
import { faultOf, type CorsRule } from '../../http/bucket-cors.ts';
import { setFields } from '../../http/header-fields.ts';
import type { corsConfiguration } from './documents.ts';
import { S3Error } from './errors.ts';
import type { RequestBuckets } from './request-buckets.ts';
import { elements, type Elements } from './xml.ts';

/** @throws S3Error for invalid rules */
export function corsRulesOf({ CORSRule }: ReturnType<typeof corsConfiguration.read>): CorsRule[] {
  return CORSRule.map(
    ({
      ID: id,
      AllowedOrigin: origins,
      AllowedMethod: methods,
      AllowedHeader: headers,
      ExposeHeader: exposed,
      MaxAgeSeconds: age,
    }) => {
      const rule = {
        ...(id === undefined ? {} : { id }),
        origins,
        methods,
        headers,
        exposed,
        ...(age === undefined ? {} : { age }),
      };
      const fault = faultOf(rule);
      if (fault !== undefined) throw new S3Error('InvalidRequest', fault);
      return rule;
    },
  );
}

export function renderCors(text: string): Elements {
  const rules = JSON.parse(text) as CorsRule[];
  return {
    CORSRule: rules.map(({ id, origins, methods, headers, exposed, age }) =>
      elements({
        ID: id,
        AllowedMethod: methods,
        AllowedOrigin: origins,
        AllowedHeader: headers,
        ExposeHeader: exposed,
        MaxAgeSeconds: age,
      }),
    ),
  };
}

/** Sets CORS headers before authentication, so that pages can also read errors. */
export async function allowOrigin(known: RequestBuckets, bucket: string, req: Request, res: Response): Promise<void> {
  const { origin } = req.headers;
  if (origin === undefined || bucket === '') return;
  const method = req.headers['access-control-request-method'] ?? req.method;
  const rule = matching(await rulesOf(known, bucket), origin, method, []);
  if (rule) allow(res, rule, origin);
}

/** Answers a preflight. @throws S3Error if no rule allows the request */
export async function preflight(
  known: RequestBuckets,
  { bucket, key }: { bucket: string; key: string },
  req: Request,
  res: Response,
): Promise<void> {
  const { origin } = req.headers;
  const method = req.headers['access-control-request-method'];
  if (origin === undefined) throw new S3Error('BadRequest', 'Insufficient information. Origin request header needed.');
  if (method === undefined) throw new S3Error('BadRequest', 'Invalid Access-Control-Request-Method: null');
  const asked = (req.headers['access-control-request-headers'] ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  const rules = await rulesOf(known, bucket);
  const rule = matching(rules, origin, method, asked);
  const details = { Method: method, ResourceType: key === '' ? 'BUCKET' : 'OBJECT' };
  if (rules.length === 0)
    throw new S3Error('AccessForbidden', 'CORSResponse: CORS is not enabled for this bucket.', details);
  if (!rule)
    throw new S3Error(
      'AccessForbidden',
      "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
      details,
    );
  allow(res, rule, origin);
  if (asked.length > 0) res.setHeader('Access-Control-Allow-Headers', asked.join(', '));
  if (rule.age !== undefined) res.setHeader('Access-Control-Max-Age', rule.age);
  res.status(200).setHeader('Content-Length', 0).end();
}

function allow(res: Response, { origins, methods, exposed }: CorsRule, origin: string): void {
  const any = origins.includes('*');
  res.setHeader('Access-Control-Allow-Origin', any ? '*' : origin);
  if (!any) res.setHeader('Access-Control-Allow-Credentials', 'true');
  res.setHeader('Access-Control-Allow-Methods', methods.join(', '));
  if (exposed.length > 0) setFields(res, { 'Access-Control-Expose-Headers': exposed.join(', ') });
  res.vary('Origin, Access-Control-Request-Headers, Access-Control-Request-Method');
}

async function rulesOf(known: RequestBuckets, bucket: string): Promise<CorsRule[]> {
  const text = (await known.get(bucket))?.settings['cors'];
  return text === undefined ? [] : (JSON.parse(text) as CorsRule[]);
}

function matching(
  rules: readonly CorsRule[],
  origin: string,
  method: string,
  headers: readonly string[],
): CorsRule | undefined {
  return rules.find(
    (rule) =>
      rule.methods.includes(method) &&
      rule.origins.some((pattern) => fits(pattern, origin)) &&
      headers.every((header) => rule.headers.some((pattern) => fits(pattern.toLowerCase(), header))),
  );
}

/** A pattern has at most one `*`. */
function fits(pattern: string, text: string): boolean {
  const [start = '', end] = pattern.split('*');
  return end === undefined
    ? pattern === text
    : text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}

/**
 * Clients that load a server, in their own process. Plain JavaScript, because it runs by itself.
 *
 *     fork('crowd.js', [JSON])
 *
 * It sends `ready` once its idle connections are open, and `logins done` when no login is left. After `stop`, when all
 * logins and listings are done, it sends the statuses of the logins, and the status and prefixes of each listing, and
 * ends.
 */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const { authUrl, idleUrl, listingUrls, wrongLogins, pool, idle } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: pool + listingUrls.length });
const found = { logins: {}, listings: [] };
let stopping = false;
process.on('message', () => (stopping = true));

function send(method, url, from, body = '') {
  return new Promise((resolve, reject) => {
    const headers = { 'Content-Length': Buffer.byteLength(body) };
    const sent = request(url, { method, agent, localAddress: from, headers }, (res) => {
      let text = '';
      res.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      res.on('end', () => resolve({ status: res.statusCode, text }));
    });
    sent.on('error', reject).end(body);
  });
}

/** A connection that says nothing, and another when the server has closed it. */
function openIdle() {
  const { hostname, port } = new URL(idleUrl);
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: hostname, localAddress: '127.0.0.4' }, resolve);
    socket.on('error', () => undefined);
    socket.on('close', () => stopping || openIdle());
  });
}

let left = wrongLogins;
async function logInWrongly() {
  while (left > 0) {
    left -= 1;
    const { status } = await send(
      'POST',
      authUrl,
      '127.0.0.2',
      JSON.stringify({ namespace: 'crowd', key: `wrong-${left}` }),
    );
    found.logins[status] = (found.logins[status] ?? 0) + 1;
  }
}

async function list(url) {
  do {
    const { status, text } = await send('GET', url, '127.0.0.3');
    found.listings.push({ status, prefixes: text.split('<CommonPrefixes>').length - 1 });
  } while (!stopping);
}

await Promise.all(Array.from({ length: idle }, openIdle));
process.send('ready');
const logins = Promise.all(Array.from({ length: pool }, logInWrongly)).then(() => process.send('logins done'));
await Promise.all([logins, ...listingUrls.map(list)]);
process.send(found, () => process.exit(0));

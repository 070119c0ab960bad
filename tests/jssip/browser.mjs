// JsSIP on a page in Chromium: `browser.mjs URL ADDRESS-OF-RECORD PASSWORD PORT`, where the page comes from http://127.0.0.1:PORT. Tells on its output
// what happens, and takes the lines of `telephone.js` from its input. With TRUSTED in the environment, the hash of a public key, certificates with that key are
// good whoever has signed them. Chromium ends with this script: it does when the pipe to it is closed.
import { spawn } from 'node:child_process';
import { buildSync } from 'esbuild';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

const [url, uri, password, port] = process.argv.slice(2);
const account = [url, uri, password].map((word) => JSON.stringify(word));
const script = buildSync({
  stdin: {
    contents: `import JsSIP from 'jssip'; import { telephone } from './telephone.js';
      globalThis.does = telephone(JsSIP, ${account}, (line) => console.log(line));`,
    resolveDir: import.meta.dirname ?? process.cwd(),
  },
  bundle: true, write: false,
}).outputFiles[0].contents;

http.createServer((request, response) => {
  const [type, content] = request.url === '/script' ? ['text/javascript', script] : ['text/html', '<!doctype html><script src="/script"></script>'];
  response.writeHead(200, { 'content-type': type }).end(content);
}).listen(Number(port), '127.0.0.1', open);

// The DevTools protocol: JSON texts, each ended by a zero octet, on descriptors 3 and 4.
function open() {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'offhook-chromium-'));
  const flags = ['--no-sandbox', '--headless', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe', `--user-data-dir=${profile}`];
  if (process.env.TRUSTED) flags.push(`--ignore-certificate-errors-spki-list=${process.env.TRUSTED}`);
  const chromium = spawn('chromium-headless-shell', [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'] });
  const end = () => {
    chromium.kill('SIGKILL');
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    process.exit(0);
  };
  let asked = 0;
  const answers = new Map();
  const ask = (method, params = {}, sessionId = undefined) => new Promise((resolve) => {
    answers.set(++asked, resolve);
    chromium.stdio[3].write(`${JSON.stringify({ id: asked, method, params, sessionId })}\0`);
  });
  let rest = '';
  chromium.stdio[4].setEncoding('utf8').on('data', (data) => {
    const texts = (rest + data).split('\0');
    rest = texts.pop();
    for (const { id, result, error, method, params } of texts.map(JSON.parse)) {
      if (error) console.log(`error ${error.message}`);
      if (id) answers.get(id)?.(result);
      if (method === 'Runtime.consoleAPICalled') console.log(params.args.map(({ value }) => value).join(' '));
      if (method === 'Runtime.exceptionThrown') console.log(`error ${params.exceptionDetails.exception?.description}`);
      if (method === 'Log.entryAdded') console.log(`browser: ${params.entry.text}`);
    }
  });
  chromium.on('error', (error) => { console.log(`error ${error.message}`); process.exit(1); });
  chromium.on('exit', end);
  start(ask).then((session) => {
    readline.createInterface({ input: process.stdin }).on('line', (line) => {
      ask('Runtime.evaluate', { expression: `does(${JSON.stringify(line)})` }, session);
    }).on('close', end);
  });
}

async function start(ask) {
  const { targetInfos } = await ask('Target.getTargets');
  const { targetId } = targetInfos.find(({ type }) => type === 'page');
  const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
  for (const domain of ['Runtime', 'Log', 'Page']) await ask(`${domain}.enable`, {}, sessionId);
  const { product } = await ask('Browser.getVersion');
  console.log(product);
  await ask('Page.navigate', { url: `http://127.0.0.1:${port}/` }, sessionId);
  return sessionId;
}

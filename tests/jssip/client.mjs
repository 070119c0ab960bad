// JsSIP in Node.js: `client.mjs URL ADDRESS-OF-RECORD PASSWORD`. Tells on its output what happens, and takes the lines of `telephone.js` and `ping`
// from its input.
import readline from 'node:readline';
import { WebSocket } from 'ws';
import JsSIP from 'jssip';
import { telephone } from './telephone.js';

const [url, uri, password] = process.argv.slice(2);

// What a browser has and Node.js lacks. What is received is shown to have been text or not.
globalThis.WebSocket = class extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { origin: process.env.ORIGIN, ca: process.env.CA, handshakeTimeout: 10_000 });
    this.on('message', (data, binary) => console.log(`frame ${binary ? 'binary' : 'text'}`));
    this.on('unexpected-response', (_, response) => console.log(`handshake ${response.statusCode}`));
    this.on('error', (error) => console.log(`error ${error.message}`));
    this.on('pong', () => console.log('pong'));
    globalThis.socket = this;
  }
};

const does = telephone(JsSIP, url, uri, password, (line) => console.log(line));
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'ping') globalThis.socket.ping('are you there');
  else does(line);
}).on('close', () => process.exit(0));

// A JsSIP user agent driven by lines: `client.mjs URL ADDRESS-OF-RECORD PASSWORD`. Tells on its output what happens; takes `message URI TEXT` and
// `quit` from its input.
import readline from 'node:readline';
import { WebSocket } from 'ws';
import JsSIP from 'jssip';

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

const agent = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)], uri, password, register: true, register_expires: 120, session_timers: false,
});
agent.on('connected', () => console.log(`connected, speaking ${globalThis.socket.protocol}`));
agent.on('disconnected', ({ error, code }) => console.log(`disconnected ${error ? 'by an error' : 'in order'} ${code}`));
agent.on('registered', ({ response }) => console.log(`registered as ${response.getHeader('contact')}`));
agent.on('unregistered', () => console.log('unregistered'));
agent.on('registrationFailed', ({ response, cause }) => console.log(`not registered: ${response?.status_code} ${cause}`));
agent.on('newMessage', ({ originator, request }) => {
  if (originator !== 'remote') return;
  console.log(`via ${request.getHeader('via')}`);
  console.log(`message from ${request.from.uri.user}: ${request.body}`);
});
agent.start();

const verbs = {
  message: (to, ...words) => agent.sendMessage(to, words.join(' '), {
    eventHandlers: {
      succeeded: ({ response }) => console.log(`message answered ${response.status_code}`),
      failed: ({ response, cause }) => console.log(`message refused ${response?.status_code} ${cause}`),
    },
  }),
  ping: () => globalThis.socket.ping('are you there'),
  quit: () => agent.stop(),
};
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [verb, ...rest] = line.trim().split(' ');
  verbs[verb]?.(...rest);
}).on('close', () => process.exit(0));

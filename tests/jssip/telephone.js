// A JsSIP user agent that tells what happens and does what its lines say: `message URI TEXT`, `quit`. Runs in Node.js and in a browser.
// `tell` takes a line.
export function telephone(JsSIP, url, uri, password, tell) {
  const socket = new JsSIP.WebSocketInterface(url);
  const agent = new JsSIP.UA({
    sockets: [socket], uri, password, register: true, register_expires: 120, session_timers: false,
  });
  agent.on('connected', () => tell(`connected, speaking ${socket._ws.protocol}`));
  agent.on('disconnected', ({ error, code }) => tell(`disconnected ${error ? 'by an error' : 'in order'} ${code}`));
  agent.on('registered', ({ response }) => tell(`registered as ${response.getHeader('contact')}`));
  agent.on('unregistered', () => tell('unregistered'));
  agent.on('registrationFailed', ({ response, cause }) => tell(`not registered: ${response?.status_code} ${cause}`));
  agent.on('newMessage', ({ originator, request }) => {
    if (originator !== 'remote') return;
    tell(`via ${request.getHeader('via')}`);
    tell(`message from ${request.from.uri.user}: ${request.body}`);
  });
  agent.start();

  const verbs = {
    message: (to, ...words) => agent.sendMessage(to, words.join(' '), {
      eventHandlers: {
        succeeded: ({ response }) => tell(`message answered ${response.status_code}`),
        failed: ({ response, cause }) => tell(`message refused ${response?.status_code} ${cause}`),
      },
    }),
    quit: () => agent.stop(),
  };
  return (line) => {
    const [verb, ...rest] = line.trim().split(' ');
    verbs[verb]?.(...rest);
  };
}

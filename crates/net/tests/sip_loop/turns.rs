//! When an application gets its turn, and when it settles.

use super::*;

/// Gives itself the next command with each, and answers requests.
struct Restless {
    again: mpsc::Receiver<net::Handle<()>>,
    me: Option<net::Handle<()>>,
}

impl Application for Restless {
    fn event(&mut self, event: Event, turn: &mut Turn<'_>) {
        if let Event::Request { tx, .. } = event {
            turn.respond(tx, Reply::new(StatusCode::OK)).unwrap();
        }
    }
}

impl App for Restless {
    type Command = ();
    fn command(&mut self, (): (), _: &mut Turn<'_>) {
        let me = self.me.get_or_insert_with(|| self.again.recv().unwrap());
        me.try_send(()).unwrap();
    }
}

#[test]
fn commands_that_never_end_leave_the_others_their_turn() {
    let bind = Bind { transport: Transport::Udp, address: "127.0.0.1:0".parse().unwrap() };
    let config = LoopConfig::new(vec![bind], sip::Config::default());
    let (give, again) = mpsc::channel();
    let running = SipLoop::spawn(config, move |_, _| Restless { again, me: None }).unwrap();
    give.send(running.handle()).unwrap();
    running.handle().try_send(()).unwrap();
    let socket = udp();
    let request = options("UDP", socket.local_addr().unwrap(), "restless");
    socket.send_to(request.as_bytes(), running.bound()[0].address).unwrap();
    let mut buffer = [0; 4096];
    let heard = socket.recv(&mut buffer);
    if heard.is_err() {
        // A loop that never gets to its end cannot be waited for.
        std::mem::forget(running);
    }
    assert!(buffer[..heard.unwrap()].starts_with(b"SIP/2.0 200"));
}

/// Answers when it settles, and says how many it answers at once.
struct Gathering {
    waiting: Vec<sip::ServerTx>,
}

impl Application for Gathering {
    fn event(&mut self, event: Event, _: &mut Turn<'_>) {
        if let Event::Request { tx, .. } = event {
            self.waiting.push(tx);
        }
    }
}

impl App for Gathering {
    type Command = ();
    fn command(&mut self, (): (), _: &mut Turn<'_>) {}
    fn settle(&mut self, turn: &mut Turn<'_>) {
        let count = self.waiting.len().to_string();
        for tx in self.waiting.drain(..) {
            turn.respond(tx, Reply::new(StatusCode::OK).line("Subject", &count).unwrap()).unwrap();
        }
    }
}

#[test]
fn what_waits_on_a_socket_is_settled_together_and_what_comes_alone_at_once() {
    let any = "127.0.0.1:0".parse().unwrap();
    let binds = [Transport::Udp, Transport::Tcp].map(|transport| Bind { transport, address: any }).to_vec();
    let config = LoopConfig::new(binds, sip::Config::default());
    let socket = udp();
    let local = socket.local_addr().unwrap();
    let others = socket.try_clone().unwrap();
    let running = SipLoop::spawn(config, move |bound, _| {
        // A batch is 64: these wait before the loop begins.
        for number in 0..70 {
            let request = options("UDP", local, &format!("early{number}"));
            others.send_to(request.as_bytes(), bound[0].address).unwrap();
        }
        Gathering { waiting: Vec::new() }
    });
    let running = running.unwrap();
    let settled_with =
        |answer: String| answer.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    for number in 0..70 {
        let answer = receive(&socket);
        assert!(answer.contains(&format!("Call-ID: early{number}\r\n")), "{answer}");
        assert_eq!(settled_with(answer), if number < 64 { "64" } else { "6" });
    }
    socket.send_to(options("UDP", local, "late").as_bytes(), running.bound()[0].address).unwrap();
    assert_eq!(settled_with(receive(&socket)), "1");
    let mut stream = TcpStream::connect(running.bound()[1].address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let local = stream.local_addr().unwrap();
    stream.write_all(options("TCP", local, "stream").as_bytes()).unwrap();
    assert_eq!(settled_with(read_message(&mut stream)), "1");
}

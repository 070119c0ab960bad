//! What other loops find on the board while calls come and go.

use super::PORTS;
use super::loops::{Loops, path};

/// A side of a call that is over may go on in another, which is written down in the same turn: another loop, which looks when it likes, is not to take that side for over.
#[test]
fn rfc4235_3_4_a_call_that_is_over_stays_on_the_board_until_all_that_came_is_looked_at() {
    let mut loops = Loops::new(PORTS, |_, _| {});
    let (mut near, far) = loops.pair(0);
    loops.turn(0, |switch, turn| {
        assert_eq!(switch.board.enter(1), Some(true));
        switch.write_all(turn);
    });
    loops.settle();
    let seen = |loops: &Loops| (loops.all[0].switch.board.notes().talks.len(), loops.waiting(1));
    assert_eq!(seen(&loops), (2, 0));
    let bye = loops.written(&mut near, "BYE", "", "");
    loops.step(0, |_, turn| turn.receive(&path(near.at), bye.into()));
    assert_eq!(loops.heard(near.at), ["200 BYE"]);
    assert_eq!(seen(&loops), (2, 0), "both sides are there, and nobody is told otherwise");
    loops.step(0, net::App::settle);
    assert_eq!(seen(&loops), (0, 2));
    loops.settle();
    loops.is_hung_up(far.at);
    loops.nothing_left();
}

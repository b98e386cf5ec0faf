import NIOCore
import P2PCore
import Testing

@testable import P2PYamux

@Suite("The yamux session")
struct YamuxSessionTests {
    let window = Int(YamuxConfiguration.initialWindow)

    @Test("The dialer opens odd ids, the listener even ones, both counting up")
    func ids() {
        let pair = YamuxSessionPair()
        #expect((0..<4).map { _ in pair.dialer.open(at: pair.now) } == [1, 3, 5, 7])
        #expect((0..<4).map { _ in pair.listener.open(at: pair.now) } == [2, 4, 6, 8])
    }

    @Test("SYN rides on the first data frame, ACK on the first answer")
    func greetings() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = 10
        pair.dialer.send(id, quantum: 6)
        pair.dialer.send(id, quantum: 6)
        #expect(
            pair.dialer.wire == [
                YamuxHeader(type: .data, flags: .syn, streamID: 1, length: 6),
                YamuxHeader(type: .data, flags: [], streamID: 1, length: 4),
            ])
        pair.settle()
        #expect(pair.listener.opened == [1])
        pair.listener.streams[1]?.outgoing = 3
        pair.listener.send(1, quantum: 100)
        #expect(pair.listener.wire == [YamuxHeader(type: .data, flags: .ack, streamID: 1, length: 3)])
    }

    @Test("A stream with nothing to send says hello on an empty window update, once")
    func announce() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        #expect(pair.dialer.session.announce(id) == YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 1, length: 0))
        #expect(pair.dialer.session.announce(id) == nil)
        #expect(pair.dialer.session.announce(99) == nil)
    }

    @Test("FIN never shares a frame with bytes; it does with SYN where there is nothing to send")
    func finWithoutCompany() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        let bytes = pair.dialer.session.send(5, finish: true, on: id)
        #expect(bytes?.header == YamuxHeader(type: .data, flags: .syn, streamID: id, length: 5))
        #expect(bytes?.finish == YamuxHeader(type: .data, flags: .fin, streamID: id, length: 0))
        let empty = try #require(pair.dialer.open(at: pair.now))
        let nothing = pair.dialer.session.send(0, finish: true, on: empty)
        #expect(nothing?.header == YamuxHeader(type: .data, flags: [.syn, .fin], streamID: empty, length: 0))
        #expect(nothing?.finish == nil)
    }

    @Test("FIN never shares a frame with ACK")
    func finWithoutAck() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = 1
        pair.dialer.send(id, quantum: 10)
        pair.settle()
        pair.listener.streams[id]?.outgoing = 5
        pair.listener.streams[id]?.wantsFinish = true
        pair.listener.send(id, quantum: 10)
        #expect(
            pair.listener.wire == [
                YamuxHeader(type: .data, flags: .ack, streamID: 1, length: 5),
                YamuxHeader(type: .data, flags: .fin, streamID: 1, length: 0),
            ])
    }

    enum Step: CaseIterable { case dialerFinishes, listenerFinishes, dialerSends, listenerSends }

    @Test("Half-closes in every order deliver every byte and end the stream on both sides", arguments: [true, false], [1, 7, 100_000])
    func halfCloseOrders(isOneFlight: Bool, piece: Int) throws {
        for order in permutations(Step.allCases) {
            let pair = YamuxSessionPair()
            let id = try #require(pair.dialer.open(at: pair.now))
            pair.dialer.send(id, quantum: 1)
            pair.settle()
            var expected = (dialer: 0, listener: 0)
            for step in order {
                switch step {
                case .dialerFinishes: pair.dialer.streams[id]?.wantsFinish = true
                case .listenerFinishes: pair.listener.streams[id]?.wantsFinish = true
                case .dialerSends:
                    guard pair.dialer.streams[id]?.wantsFinish == false else { continue }
                    pair.dialer.streams[id]?.outgoing += 100
                    expected.listener += 100
                case .listenerSends:
                    guard pair.listener.streams[id]?.wantsFinish == false else { continue }
                    pair.listener.streams[id]?.outgoing += 100
                    expected.dialer += 100
                }
                if !isOneFlight {
                    pair.dialer.send(id, quantum: 64)
                    pair.listener.send(id, quantum: 64)
                    pair.settle(piece: piece)
                }
            }
            for _ in 0..<4 {
                pair.dialer.send(id, quantum: 64)
                pair.listener.send(id, quantum: 64)
            }
            pair.settle(piece: piece)
            for end in [pair.dialer, pair.listener] {
                let stream = try #require(end.closed[id])
                #expect(stream.peerFinished && stream.finishSent && !stream.wasReset)
                #expect(stream.received == (end === pair.dialer ? expected.dialer : expected.listener))
                #expect(end.session.streamCount == 0)
                #expect(end.violation == nil)
            }
        }
    }

    @Test("SYN, data and FIN in one frame open, deliver and finish, in this order")
    func everythingAtOnce() {
        var session = YamuxSession(role: .listener, now: .now())
        let header = YamuxHeader(type: .data, flags: [.syn, .fin], streamID: 1, length: 4)
        #expect(session.received(header, at: .now()) == .stream(1, .opened, code: 0))
        #expect(session.receivedBody(3) == .deliver(1, then: []))
        #expect(session.receivedBody(1) == .deliver(1, then: .finished))
        #expect(session.streamCount == 1)
    }

    @Test("SYN and FIN without data open and finish")
    func openAndFinish() {
        var session = YamuxSession(role: .listener, now: .now())
        let header = YamuxHeader(type: .windowUpdate, flags: [.syn, .fin], streamID: 1, length: 7)
        #expect(session.received(header, at: .now()) == .stream(1, [.opened, .credited, .finished], code: 0))
        #expect(session.sendable(on: 1) == self.window + 7)
    }

    @Test("A reset ends the stream on both sides and drops what comes later")
    func reset() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = 10
        pair.dialer.send(id, quantum: 10)
        pair.settle()
        pair.listener.reset(id)
        pair.dialer.streams[id]?.outgoing = 10
        pair.dialer.send(id, quantum: 10)
        pair.settle()
        #expect(pair.dialer.closed[id]?.wasReset == true)
        #expect(pair.listener.closed[id]?.received == 10)
        #expect(pair.dialer.session.streamCount == 0 && pair.listener.session.streamCount == 0)
        #expect(pair.dialer.violation == nil && pair.listener.violation == nil)
    }

    @Test("A reset of a stream that the peer has not heard of says nothing")
    func silentReset() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        #expect(pair.dialer.session.reset(id) == nil)
        #expect(pair.dialer.session.streamCount == 0)
    }

    @Test("The number that a reset carries is handed on")
    func resetCode() {
        var session = YamuxSession(role: .listener, now: .now())
        _ = session.received(YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 1, length: 0), at: .now())
        let reset = YamuxHeader(type: .windowUpdate, flags: .rst, streamID: 1, length: 0x1003)
        #expect(session.received(reset, at: .now()) == .stream(1, [.reset, .closed], code: 0x1003))
    }

    @Test("A stream for which there is no room is refused with the code of a limit, and one after a goodbye without one")
    func refusalCode() {
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 1
        var session = YamuxSession(role: .listener, configuration: configuration, now: .now())
        func reset(_ id: UInt32, _ code: UInt32) -> YamuxHeader {
            YamuxHeader(type: .windowUpdate, flags: .rst, streamID: id, length: code)
        }
        _ = session.received(YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 1, length: 0), at: .now())
        #expect(session.received(YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 3, length: 0), at: .now()) == .none)
        #expect(session.nextControl(at: .now()) == reset(3, 0x1001))
        _ = session.refuse(1, at: .now())
        #expect(session.nextControl(at: .now()) == reset(1, 0x1001))
        session.goAway(.normal)
        _ = session.nextControl(at: .now())
        _ = session.received(YamuxHeader(type: .windowUpdate, flags: .syn, streamID: 5, length: 0), at: .now())
        #expect(session.nextControl(at: .now()) == reset(5, 0))
    }

    @Test("A sender stops at the window and goes on when half of it was consumed")
    func flowControl() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = 2 * self.window
        for _ in 0..<100 { pair.dialer.send(id, quantum: 16_384) }
        pair.settle()
        #expect(pair.listener.streams[id]?.received == self.window)
        #expect(pair.dialer.session.sendable(on: id) == 0)
        pair.listener.read(self.window / 2 - 1, on: id, at: pair.now)
        #expect(pair.listener.wire.isEmpty)
        pair.listener.read(1, on: id, at: pair.now)
        #expect(pair.listener.wire == [YamuxHeader(type: .windowUpdate, flags: .ack, streamID: id, length: UInt32(self.window / 2))])
        pair.settle()
        #expect(pair.dialer.session.sendable(on: id) == self.window / 2)
    }

    @Test("Both sides may write more than a window before either reads")
    func bothWrite() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        let total = 3 * self.window + 17
        pair.dialer.streams[id]?.outgoing = total
        pair.dialer.send(id, quantum: 1)
        pair.settle()
        pair.listener.streams[id]?.outgoing = total
        for end in [pair.dialer, pair.listener] { end.streams[id]?.wantsFinish = true }
        for _ in 0..<1_000 {
            for end in [pair.dialer, pair.listener] { end.send(id, quantum: 16_384) }
            pair.settle()
            for end in [pair.dialer, pair.listener] { end.read(30_000, on: id, at: pair.now) }
            pair.settle()
        }
        #expect(pair.dialer.closed[id]?.received == total)
        #expect(pair.listener.closed[id]?.received == total)
    }

    @Test("Bytes that nobody reads are credited while we send, and answered with a reset once we have finished")
    func discarded() {
        var session = YamuxSession(role: .listener, now: .now())
        for id in [1, 3] as [UInt32] {
            _ = session.received(YamuxHeader(type: .data, flags: .syn, streamID: id, length: UInt32(self.window)), at: .now())
            _ = session.receivedBody(self.window)
        }
        #expect(session.discard(self.window, on: 1, at: .now()) == false)
        #expect(session.nextControl(at: .now()) == YamuxHeader(type: .ping, flags: .syn, streamID: 0, length: 0))
        #expect(session.nextControl(at: .now()) == YamuxHeader(type: .windowUpdate, flags: .ack, streamID: 1, length: UInt32(self.window)))
        _ = session.send(0, finish: true, on: 3)
        while session.nextControl(at: .now()) != nil {}
        #expect(session.discard(self.window / 2 - 1, on: 3, at: .now()) == false)
        #expect(session.controlCount == 0)
        #expect(session.discard(1, on: 3, at: .now()) == true)
        #expect(session.nextControl(at: .now()) == YamuxHeader(type: .windowUpdate, flags: .rst, streamID: 3, length: 0))
        #expect(session.streamCount == 1)
    }

    @Test("After a go away from the peer nothing new opens, and what exists goes on")
    func goAwayReceived() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.send(id, quantum: 1)
        pair.settle()
        pair.listener.session.goAway(.normal)
        pair.settle()
        #expect(pair.dialer.goAway == .normal)
        #expect(pair.dialer.session.open(at: pair.now) == .refused(.goingAway))
        pair.dialer.streams[id]?.outgoing = 50
        pair.dialer.streams[id]?.wantsFinish = true
        pair.dialer.send(id, quantum: 100)
        pair.settle()
        #expect(pair.listener.streams[id]?.received == 50)
        #expect(pair.dialer.session.isIdle == false)
        pair.listener.streams[id]?.wantsFinish = true
        pair.listener.send(id, quantum: 100)
        pair.settle()
        #expect([pair.dialer.session.isIdle, pair.listener.session.isIdle] == [true, true])
    }

    @Test("After our go away streams of the peer are reset")
    func goAwaySent() throws {
        let pair = YamuxSessionPair()
        pair.listener.session.goAway(.normal)
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.streams[id]?.outgoing = 20
        pair.dialer.send(id, quantum: 100)
        pair.settle()
        #expect(pair.dialer.closed[id]?.wasReset == true)
        #expect(pair.listener.opened.isEmpty)
    }

    @Test("A go away is said once, with the first code", arguments: [YamuxGoAwayCode.normal, .protocolError, .internalError])
    func goAwayOnce(code: YamuxGoAwayCode) {
        var session = YamuxSession(role: .dialer, now: .now())
        session.goAway(code)
        session.goAway(.normal)
        #expect(session.nextControl(at: .now()) == YamuxHeader(type: .goAway, flags: [], streamID: 0, length: code.rawValue))
        #expect(session.nextControl(at: .now()) == nil)
    }

    @Test("Ids run out: the last is used, the next is refused", arguments: [ConnectionRole.dialer, .listener])
    func idsExhausted(role: ConnectionRole) {
        let last: UInt32 = role == .dialer ? .max : .max - 1
        var session = YamuxSession(role: role, now: .now(), firstID: last - 2)
        #expect(session.open(at: .now()) == .opened(last - 2))
        #expect(session.open(at: .now()) == .opened(last))
        #expect(session.open(at: .now()) == .refused(.idsExhausted))
    }

    @Test("At the stream limit nothing opens; one end makes room for one")
    func streamLimit() {
        var configuration = YamuxConfiguration()
        configuration.maximumStreams = 4
        let pair = YamuxSessionPair(configuration)
        let ids = (0..<4).compactMap { _ in pair.dialer.open(at: pair.now) }
        #expect(ids.count == 4)
        #expect(pair.dialer.session.open(at: pair.now) == .wait)
        pair.dialer.reset(ids[0])
        #expect(pair.dialer.session.open(at: pair.now) == .opened(9))
    }

    @Test("Streams beyond the unacknowledged backlog wait for an acknowledgement")
    func outboundBacklog() {
        var configuration = YamuxConfiguration()
        configuration.maximumBacklog = 2
        let pair = YamuxSessionPair(configuration)
        for id in [pair.dialer.open(at: pair.now), pair.dialer.open(at: pair.now)] { pair.dialer.send(id ?? 0, quantum: 1) }
        #expect(pair.dialer.session.open(at: pair.now) == .wait)
        pair.settle()
        #expect(pair.dialer.session.open(at: pair.now) == .wait)
        pair.listener.send(1, quantum: 1)
        let ack = pair.listener.takeWire(at: pair.now)
        #expect(ack == [YamuxHeader(type: .windowUpdate, flags: .ack, streamID: 1, length: 0)])
        #expect(pair.dialer.session.received(ack[0], at: pair.now) == .stream(1, .acknowledged, code: 0))
        #expect(pair.dialer.session.open(at: pair.now) == .opened(5))
    }

    @Test("A refused stream is reset")
    func refuse() throws {
        let pair = YamuxSessionPair()
        let id = try #require(pair.dialer.open(at: pair.now))
        pair.dialer.send(id, quantum: 1)
        pair.settle()
        #expect(pair.listener.session.refuse(id, at: pair.now) == .none)
        pair.settle()
        #expect(pair.dialer.closed[id]?.wasReset == true)
        #expect(pair.listener.session.streamCount == 0)
    }

    private func permutations<T>(_ items: [T]) -> [[T]] {
        var results: [[T]] = [[]]
        for item in items {
            results = results.flatMap { partial in
                (0...partial.count).map { index in
                    var next = partial
                    next.insert(item, at: index)
                    return next
                }
            }
        }
        return results
    }
}

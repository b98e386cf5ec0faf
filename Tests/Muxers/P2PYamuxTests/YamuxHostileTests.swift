import NIOCore
import P2PCore
import P2PTesting
import Testing

@testable import P2PYamux

@Suite("A hostile yamux peer")
struct YamuxHostileTests {
    let window = YamuxConfiguration.initialWindow
    let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    func frame(_ type: YamuxFrameType, _ flags: YamuxFlags, _ id: UInt32, _ length: UInt32 = 0) -> YamuxHeader {
        YamuxHeader(type: type, flags: flags, streamID: id, length: length)
    }

    /// A listener that has one stream, with id 1, from the peer.
    func session(_ configuration: YamuxConfiguration = YamuxConfiguration()) -> YamuxEnd {
        let end = YamuxEnd(.listener, configuration, now: self.now)
        end.receive(self.frame(.windowUpdate, .syn, 1), at: self.now)
        return end
    }

    /// How many of these frames it puts up with, of at most `attempts`.
    func tolerated(_ end: YamuxEnd, attempts: Int = 1_000_000, _ frame: (Int) -> YamuxHeader) -> Int {
        for index in 0..<attempts {
            end.receive(frame(index), at: self.now)
            if end.violation != nil { return index }
        }
        return attempts
    }

    @Test("Stream frames on stream 0 and session frames on a stream end the session")
    func streamZero() {
        for (header, id) in [
            (self.frame(.data, .syn, 0), 0), (self.frame(.windowUpdate, [], 0, 9), 0), (self.frame(.data, .rst, 0, 4), 0),
            (self.frame(.ping, .syn, 1), 1), (self.frame(.ping, .ack, 7), 7), (self.frame(.goAway, [], 2), 2),
        ] as [(YamuxHeader, UInt32)] {
            let end = self.session()
            end.receive(header, at: self.now)
            #expect(end.violation == .streamID(id))
        }
    }

    @Test("A stream of our own parity ends the session")
    func parity() {
        let listener = self.session()
        listener.receive(self.frame(.data, .syn, 2), at: self.now)
        #expect(listener.violation == .parity(2))
        let dialer = YamuxEnd(.dialer, now: self.now)
        dialer.receive(self.frame(.data, .syn, 1), at: self.now)
        #expect(dialer.violation == .parity(1))
    }

    @Test("A stream opened twice ends the session")
    func duplicate() {
        let end = self.session()
        end.receive(self.frame(.data, .syn, 1, 10), at: self.now)
        #expect(end.violation == .duplicateStream(1))
    }

    @Test("A window may be filled, and not overrun by one byte", arguments: [1, 1_000, 262_143, 262_144] as [UInt32])
    func overrun(first: UInt32) {
        let end = self.session()
        end.receive(self.frame(.data, [], 1, first), at: self.now)
        if first < self.window { end.receive(self.frame(.data, [], 1, self.window - first), at: self.now) }
        #expect(end.violation == nil)
        #expect(end.streams[1]?.unread == Int(self.window))
        end.receive(self.frame(.data, [], 1, 1), at: self.now)
        #expect(end.violation == .windowOverrun(1))
    }

    @Test("The first frame of a stream may not overrun its window either")
    func overrunAtOnce() {
        let end = self.session()
        end.receive(self.frame(.data, .syn, 3, self.window + 1), at: self.now)
        #expect(end.violation == .windowOverrun(3))
    }

    @Test("A send window may reach 2^32 - 1, and not overflow by one")
    func overflow() {
        let end = self.session()
        end.receive(self.frame(.windowUpdate, [], 1, .max - self.window), at: self.now)
        #expect(end.violation == nil)
        #expect(end.session.sendable(on: 1) == Int(UInt32.max))
        end.receive(self.frame(.windowUpdate, [], 1, 1), at: self.now)
        #expect(end.violation == .windowOverflow(1))
    }

    @Test("Unread streams beyond the backlog are reset, and a flood of them ends the session")
    func openingFlood() {
        let end = YamuxEnd(.listener, now: self.now)
        let count = self.tolerated(end) { self.frame(.data, .syn, UInt32($0 * 2 + 1), 1) }
        #expect(count == 256 + 200)
        #expect(end.violation == .tooManyStreamErrors)
        #expect(end.opened.count == 256)
        #expect(end.takeWire(at: self.now).count { $0.flags == .rst } == 200)
    }

    @Test("Acknowledged streams beyond the stream limit are reset, and a flood of them ends the session")
    func streamFlood() {
        let end = YamuxEnd(.listener, now: self.now)
        let count = self.tolerated(end) {
            if let last = end.opened.last { _ = end.session.announce(last) }
            return self.frame(.windowUpdate, .syn, UInt32($0 * 2 + 1))
        }
        #expect(count == 512 + 200)
        #expect(end.session.streamCount == 512)
        #expect(end.violation == .tooManyStreamErrors)
    }

    @Test("A million resets end after 200", arguments: [true, false])
    func resetFlood(isOneFrame: Bool) {
        let end = YamuxEnd(.listener, now: self.now)
        let count = self.tolerated(end) { index in
            if isOneFrame { return self.frame(.data, [.syn, .rst], UInt32(index * 2 + 1)) }
            let id = UInt32(index / 2 * 2 + 1)
            return self.frame(.windowUpdate, index % 2 == 0 ? .syn : .rst, id)
        }
        #expect(count == (isOneFrame ? 200 : 401))
        #expect(end.violation == .tooManyResets)
        #expect(end.session.streamCount <= 1)
    }

    @Test("Resets are forgiven with time")
    func resetsOverTime() {
        let end = YamuxEnd(.listener, now: self.now)
        for index in 0..<2_000 {
            let later = self.now + .milliseconds(Int64(index) * 151)
            end.receive(self.frame(.data, [.syn, .rst], UInt32(index * 2 + 1)), at: later)
        }
        #expect(end.violation == nil)
    }

    @Test("A million pings end after 200 when each is answered")
    func pingFlood() {
        let end = self.session()
        let count = self.tolerated(end) { index in
            if index > 0 { #expect(end.takeWire(at: self.now).map(\.length) == [UInt32(index - 1)]) }
            return self.frame(.ping, .syn, 0, UInt32(index))
        }
        #expect(count == 200)
        #expect(end.violation == .tooManyControlFrames)
    }

    @Test("No more than 32 pongs wait to be sent")
    func pendingPongs() {
        let end = self.session()
        #expect(self.tolerated(end) { self.frame(.ping, .syn, 0, UInt32($0)) } == 32)
        #expect(end.violation == .tooManyPendingPongs)
        #expect(end.takeWire(at: self.now).count == 32)
    }

    @Test("Answers to pings that nobody asked, empty data and empty updates end after 200 together")
    func emptyFrames() {
        let end = self.session()
        let count = self.tolerated(end) { index in
            switch index % 3 {
            case 0: self.frame(.ping, .ack, 0, UInt32(index))
            case 1: self.frame(.data, [], 1)
            default: self.frame(.windowUpdate, [], 1)
            }
        }
        #expect(count == 200)
        #expect(end.violation == .tooManyControlFrames)
    }

    @Test("Window updates by the million that answer nothing end the session")
    func windowUpdates() {
        let end = self.session()
        let count = self.tolerated(end) { _ in self.frame(.windowUpdate, [], 1, 1) }
        #expect(count == 16 + 200)
        #expect(end.violation == .tooManyControlFrames)
    }

    @Test("Small window updates that answer bytes sent are welcome, however many")
    func smallWindowUpdates() {
        let end = self.session()
        end.streams[1]?.outgoing = 100_000
        end.send(1, quantum: 100_000)
        #expect(self.tolerated(end, attempts: 100_000) { _ in self.frame(.windowUpdate, [], 1, 1) } == 100_000)
    }

    @Test("A repeated ACK or FIN has no effect and is counted")
    func repeatedFlags() {
        let end = self.session()
        end.receive(self.frame(.data, .fin, 1), at: self.now)
        #expect(self.tolerated(end) { self.frame(.windowUpdate, $0 % 2 == 0 ? .ack : .fin, 1) } == 200)
        #expect(end.violation == .tooManyControlFrames)
    }

    @Test("Data after FIN resets the stream, and the rest of the frame is skipped")
    func dataAfterFinish() {
        let end = self.session()
        end.receive(self.frame(.data, .fin, 1, 5), at: self.now)
        end.receive(self.frame(.data, [], 1, 5), at: self.now)
        #expect(end.violation == nil)
        #expect(end.closed[1]?.wasReset == true)
        #expect(end.closed[1]?.received == 5)
        #expect(end.takeWire(at: self.now) == [self.frame(.windowUpdate, .rst, 1)])
    }

    @Test("What was in flight when we reset a stream is skipped, whatever its size of frame; more is a stream error")
    func straysInFlight() {
        let end = self.session()
        end.reset(1)
        for _ in 0..<1_024 { end.receive(self.frame(.data, [], 1, 256), piece: 100, at: self.now) }
        #expect(end.violation == nil)
        #expect(self.tolerated(end) { _ in self.frame(.data, [], 1, 256) } == 200)
        #expect(end.violation == .tooManyStreamErrors)
    }

    @Test("Updates and half-closes that crossed with the end of a stream are ignored; more are stream errors")
    func strayControl() {
        let end = self.session()
        end.reset(1)
        #expect(self.tolerated(end) { self.frame(.windowUpdate, $0 % 2 == 0 ? [] : .fin, 1, 5) } == 8 + 200)
        #expect(end.violation == .tooManyStreamErrors)
    }

    @Test("Frames of streams that never were are stream errors from the first", arguments: [2, 5, 0xFFFF_FFFF, 0xFFFF_FFFE] as [UInt32])
    func neverExisted(id: UInt32) {
        let end = self.session()
        end.reset(1)
        #expect(self.tolerated(end) { _ in self.frame(.data, [], id, 10) } == 200)
        #expect(end.violation == .tooManyStreamErrors)
    }

    @Test("A stream that we reset in the middle of a frame gets nothing more of it")
    func resetInBody() {
        let end = self.session()
        #expect(end.session.received(self.frame(.data, .fin, 1, 10), at: self.now) == .none)
        #expect(end.session.receivedBody(4) == .deliver(1, then: []))
        end.reset(1)
        #expect(end.session.receivedBody(6) == .skip)
        #expect(end.session.streamCount == 0)
    }

    @Test("Random headers never trap and leave no more than the limits allow", arguments: 0..<20)
    func randomHeaders(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let end = YamuxEnd(seed % 2 == 0 ? .listener : .dialer, now: self.now)
        for step in 0..<2_000 {
            let high = UInt64.random(in: 0...3, using: &random) << 48 | UInt64.random(in: 0...15, using: &random) << 32
            let id = random.next() % 5 == 0 ? UInt32(truncatingIfNeeded: random.next()) : UInt32(random.next() % 12)
            let length = random.next() % 4 == 0 ? UInt32(truncatingIfNeeded: random.next()) : UInt32(random.next() % 300)
            guard let header = try? YamuxHeader(high: high | UInt64(id), low: length, maximumFrameLength: 1 << 24) else { continue }
            end.receive(header, piece: 1 + Int(random.next() % 90_000), at: self.now + .milliseconds(Int64(step) * 400))
            if random.next() % 3 == 0 { _ = end.takeWire(at: self.now) }
            #expect(end.session.streamCount <= 512)
            if end.violation != nil { return }
        }
    }
}

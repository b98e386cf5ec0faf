import NIOCore
import P2PCore
import Testing

@testable import P2PMplex

@Suite("Mplex under a peer that keeps to no rule")
struct MplexHostileTests {
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func session(_ change: (inout MplexConfiguration) -> Void = { _ in }) -> MplexSession {
        var configuration = MplexConfiguration()
        change(&configuration)
        return MplexSession(configuration: configuration, now: Self.now)
    }

    /// Sends the frame until the connection ends, and says how many times and why.
    private static func flood(
        _ session: inout MplexSession, limit: Int = 10_000, _ frame: (UInt64) -> [MplexHeader]
    ) -> (frames: Int, violation: MplexViolation?) {
        for count in 0..<limit {
            for header in frame(UInt64(count)) {
                if case .fail(let violation) = session.received(header, at: Self.now) { return (count, violation) }
            }
        }
        return (limit, nil)
    }

    @Test("A stream opened twice ends the connection; one that has ended may open again")
    func duplicate() {
        var session = Self.session()
        #expect(session.received(MplexHeader(.newStream, 3), at: Self.now) == .stream(MplexStreamID(3, isOurs: false), .opened))
        #expect(session.received(MplexHeader(.newStream, 3), at: Self.now) == .fail(.duplicateStream(MplexStreamID(3, isOurs: false))))
        session = Self.session()
        _ = session.received(MplexHeader(.newStream, 3), at: Self.now)
        _ = session.received(MplexHeader(.resetInitiator, 3), at: Self.now)
        #expect(session.received(MplexHeader(.newStream, 3), at: Self.now) == .stream(MplexStreamID(3, isOurs: false), .opened))
    }

    @Test("Streams beyond the limit are reset; a flood of them ends the connection, and the queue stays bounded")
    func streams() {
        var session = Self.session()
        let (frames, violation) = Self.flood(&session) { [MplexHeader(.newStream, $0)] }
        #expect(violation == .tooManyStreamErrors)
        #expect(frames == 128 + 200)
        #expect(session.streamCount == 128)
        #expect(session.controlCount == 200)
    }

    @Test("Streams opened and reset without end end the connection")
    func resets() {
        var session = Self.session()
        let (frames, violation) = Self.flood(&session) { [MplexHeader(.newStream, $0), MplexHeader(.resetInitiator, $0)] }
        #expect(violation == .tooManyResets)
        #expect(frames == 200)
        #expect(session.controlCount == 0)
    }

    @Test("Streams opened and closed without end are served: each ends by our close")
    func closes() {
        var session = Self.session()
        let (frames, violation) = Self.flood(&session, limit: 1_000) { number in
            [MplexHeader(.newStream, number), MplexHeader(.closeInitiator, number)]
        }
        // Nobody answers them here, so that they stay, and those beyond the limit are refused.
        #expect(violation == .tooManyStreamErrors)
        #expect(frames == 128 + 200)
    }

    @Test(
        "Frames for streams that never were are put up with so many times",
        arguments: [
            (MplexFlag.messageInitiator, 1, MplexViolation.tooManyStreamErrors), (.messageReceiver, 1, .tooManyStreamErrors),
            (.messageInitiator, 0, .tooManyStreamErrors), (.closeInitiator, 0, .tooManyStreamErrors),
            (.closeReceiver, 0, .tooManyStreamErrors), (.resetInitiator, 0, .tooManyResets), (.resetReceiver, 0, .tooManyResets),
        ])
    func strays(flag: MplexFlag, length: Int, expected: MplexViolation) {
        var session = Self.session()
        let (frames, violation) = Self.flood(&session) { _ in [MplexHeader(flag, 9_999, length: length)] }
        #expect(violation == expected)
        #expect(frames == 200)
    }

    @Test(
        "Frames without effect on a stream that lives are put up with so many times",
        arguments: [MplexFlag.messageInitiator, .closeInitiator])
    func withoutEffect(flag: MplexFlag) {
        var session = Self.session()
        _ = session.received(MplexHeader(.newStream, 0), at: Self.now)
        let (frames, violation) = Self.flood(&session) { _ in [MplexHeader(flag, 0)] }
        #expect(violation == .tooManyEmptyFrames)
        #expect(frames == (flag == .closeInitiator ? 201 : 200))
    }

    @Test("Offences are forgiven after a while")
    func forgiveness() {
        var session = Self.session()
        for number in 0..<200 as Range<UInt64> {
            #expect(session.received(MplexHeader(.resetInitiator, number), at: Self.now) == .none)
        }
        #expect(session.received(MplexHeader(.resetInitiator, 0), at: Self.now + .seconds(30)) == .none)
    }

    @Test("What was on its way when we reset a stream is no offence, up to a limit")
    func inFlight() {
        var session = Self.session { $0.maximumStray = 1 << 20 }
        let id = MplexStreamID(0, isOurs: false)
        _ = session.received(MplexHeader(.newStream, 0), at: Self.now)
        #expect(session.reset(id) == MplexHeader(.resetReceiver, 0))
        for _ in 0..<1_024 {
            #expect(session.received(MplexHeader(.messageInitiator, 0, length: 1_024), at: Self.now) == .none)
            #expect(session.receivedBody() == .skip)
        }
        let (frames, violation) = Self.flood(&session) { _ in [MplexHeader(.messageInitiator, 0, length: 1_024)] }
        #expect(violation == .tooManyStreamErrors)
        #expect(frames == 200)
    }

    @Test("Bytes behind a close reset the stream")
    func afterClose() {
        var session = Self.session()
        let id = MplexStreamID(0, isOurs: false)
        _ = session.received(MplexHeader(.newStream, 0), at: Self.now)
        #expect(session.received(MplexHeader(.closeInitiator, 0), at: Self.now) == .stream(id, .finished))
        #expect(session.received(MplexHeader(.messageInitiator, 0, length: 3), at: Self.now) == .stream(id, [.reset, .closed]))
        #expect(session.receivedBody() == .skip)
        #expect(session.nextControl() == MplexHeader(.resetReceiver, 0))
    }

    @Test("The side of a frame is part of the stream's name: a peer can't end our stream as if it had opened it")
    func sides() {
        var session = Self.session()
        #expect(session.open() == .opened(MplexStreamID(0, isOurs: true)))
        _ = session.sent(finish: false, on: MplexStreamID(0, isOurs: true), at: Self.now)
        #expect(session.received(MplexHeader(.resetInitiator, 0), at: Self.now) == .none)
        #expect(session.received(MplexHeader(.closeInitiator, 0), at: Self.now) == .none)
        #expect(session.streamCount == 1)
        #expect(
            session.received(MplexHeader(.resetReceiver, 0), at: Self.now) == .stream(MplexStreamID(0, isOurs: true), [.reset, .closed]))
    }

    @Test("Overflowing streams without end end the connection")
    func overflows() {
        var session = Self.session { $0.maximumUnread = 10 }
        var violation: MplexViolation?
        var count: UInt64 = 0
        while violation == nil, count < 1_000 {
            let id = MplexStreamID(count, isOurs: false)
            _ = session.received(MplexHeader(.newStream, count), at: Self.now)
            if case .fail(let reason) = session.noteUnread(11, on: id, at: Self.now) { violation = reason }
            _ = session.nextControl()
            count += 1
        }
        #expect(violation == .tooManyStreamErrors)
        #expect(count == 201)
        #expect(session.unread == 0)
    }

    @Test("Stream numbers run out at 2^60 - 1")
    func numbers() {
        var session = MplexSession(now: Self.now, firstNumber: MplexStreamID.maximumNumber)
        let id = MplexStreamID(MplexStreamID.maximumNumber, isOurs: true)
        #expect(session.open() == .opened(id))
        #expect(session.announcement(of: id) == "1152921504606846975")
        #expect(session.open() == .exhausted)
        _ = session.sent(finish: false, on: id, at: Self.now)
        #expect(session.received(MplexHeader(.closeReceiver, id.number), at: Self.now) == .stream(id, .finished))
    }

    @Test("At the limit our streams wait for one to end")
    func waiting() {
        var session = Self.session { $0.maximumStreams = 1 }
        _ = session.received(MplexHeader(.newStream, 0), at: Self.now)
        #expect(session.open() == .wait)
        _ = session.received(MplexHeader(.resetInitiator, 0), at: Self.now)
        #expect(session.open() == .opened(MplexStreamID(0, isOurs: true)))
    }
}

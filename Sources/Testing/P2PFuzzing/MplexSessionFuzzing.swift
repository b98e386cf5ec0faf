import NIOCore
import P2PMplex

/// A session whose peer sends any frame at all, and whose own side does anything: every limit holds, streams are told of once, and the
/// first breach of a rule is the last word.
enum MplexSessionFuzzing {
    private static let configuration: MplexConfiguration = {
        var configuration = MplexConfiguration()
        configuration.maximumStreams = 6
        configuration.maximumUnread = 4_000
        configuration.maximumUnreadTogether = 9_000
        configuration.comfortableUnread = 1_000
        configuration.maximumStray = 2_000
        configuration.maximumDiscard = 500
        configuration.maximumOffences = 10
        return configuration
    }()

    /// What the driver of the session would know.
    private struct Driver: ~Copyable {
        var session: MplexSession
        /// Bytes that wait for the reader of each stream.
        var unread: [MplexStreamID: Int] = [:]
        var finished: Set<MplexStreamID> = []
        var isOver = false

        init(now: NIODeadline) { self.session = MplexSession(configuration: configuration, now: now) }

        /// The stream that a number stands for.
        func stream(_ number: UInt8) -> MplexStreamID? {
            let ids = self.unread.keys.sorted { ($0.number, $0.isOurs ? 1 : 0) < ($1.number, $1.isOurs ? 1 : 0) }
            return ids.isEmpty ? nil : ids[Int(number) % ids.count]
        }

        mutating func forget(_ id: MplexStreamID) {
            precondition(self.unread.removeValue(forKey: id) != nil, "stream \(id) ends twice")
            self.finished.remove(id)
        }

        mutating func apply(_ decision: MplexSession.OnFrame, at now: NIODeadline, refusing: Bool = false) {
            switch decision {
            case .none: break
            case .fail: self.isOver = true
            case .stream(let id, let events):
                if events.contains(.opened) {
                    precondition(self.unread[id] == nil && !id.isOurs, "stream \(id) opens twice")
                    self.unread[id] = 0
                    if refusing {
                        self.forget(id)
                        self.apply(self.session.refuse(id, at: now), at: now)
                        return
                    }
                }
                precondition(self.unread[id] != nil, "events of stream \(id), which does not exist")
                if events.contains(.finished) { precondition(self.finished.insert(id).inserted, "stream \(id) finishes twice") }
                if events.contains(.closed) { self.forget(id) }
            }
        }

        mutating func apply(_ decision: MplexSession.OnUnread, at now: NIODeadline) {
            switch decision {
            case .none: break
            case .fail: self.isOver = true
            case .overflow(let id): self.forget(id)
            case .recount:
                for (id, count) in self.unread {
                    if case .overflow = self.session.noteUnread(count, on: id, at: now) {
                        preconditionFailure("\(count) bytes are too many")
                    }
                }
                precondition(self.session.unread == self.unread.values.reduce(0, +), "the session has lost count")
                let decision = self.session.recounted(at: now)
                precondition(decision != .recount)
                self.apply(decision, at: now)
            }
        }

        func check() {
            precondition(self.session.streamCount == self.unread.count, "\(self.session.streamCount) streams, not \(self.unread.count)")
            precondition(self.session.streamCount <= configuration.maximumStreams)
            precondition(self.unread.values.allSatisfy { $0 <= configuration.maximumUnread }, "more waits than fits")
            precondition(self.session.unread >= 0 && self.session.unread <= configuration.maximumUnreadTogether)
            precondition(!self.session.isWaitingForReaders || self.session.deadline != nil, "a connection waits for ever")
        }
    }

    static func run(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var driver = Driver(now: now)
        var operations = 0
        while !input.isEmpty, !driver.isOver {
            operations += 1
            let choice = input.byte()
            let id = driver.stream(input.byte())
            switch choice % 16 {
            case 0...6: Self.frame(&input, choice, &driver, at: now)
            case 7:
                if case .opened(let id) = driver.session.open() {
                    precondition(id.isOurs && driver.unread[id] == nil)
                    driver.unread[id] = 0
                }
            case 8, 9:
                guard let id else { break }
                let isLast = choice & 0x80 != 0 && driver.session.isSendable(id)
                _ = driver.session.announcement(of: id)
                if driver.session.sent(finish: isLast, on: id, at: now) { driver.forget(id) }
                precondition(!isLast || !driver.session.isSendable(id))
            case 10, 11:
                guard let id, let waiting = driver.unread[id] else { break }
                driver.unread[id] = max(0, waiting - input.size())
                // The session hears of some of it.
                if choice & 0x80 != 0 { driver.apply(driver.session.noteUnread(driver.unread[id] ?? 0, on: id, at: now), at: now) }
            case 12:
                guard let id else { break }
                _ = driver.session.reset(id)
                driver.forget(id)
            case 13:
                if let id { driver.session.stopReading(id, at: now) }
            case 14:
                now = now + .milliseconds(Int64(input.short()))
                for (id, count) in driver.unread { driver.apply(driver.session.noteUnread(count, on: id, at: now), at: now) }
                for id in driver.session.tick(at: now) { driver.forget(id) }
            default: _ = driver.session.nextControl()
            }
            guard !driver.isOver else { break }
            driver.check()
            precondition(driver.session.controlCount <= operations * configuration.maximumStreams, "frames pile up")
        }
    }

    /// A frame arrives, with its body in one piece.
    private static func frame(_ input: inout FuzzInput, _ choice: UInt8, _ driver: inout Driver, at now: NIODeadline) {
        let shape = input.byte()
        let flag = MplexFlag(rawValue: shape & 7) ?? .messageInitiator
        let number = choice & 0x80 == 0 ? UInt64(input.byte() & 7) : UInt64(input.word()) << 28
        let length = flag.hasBody ? input.size() & 0x3ff : 0
        driver.apply(driver.session.received(MplexHeader(flag, number, length: length), at: now), at: now, refusing: shape & 0x80 != 0)
        guard !driver.isOver, length > 0, case .deliver(let id) = driver.session.receivedBody() else { return }
        precondition(!driver.finished.contains(id), "bytes behind the end of stream \(id)")
        if shape & 0x40 != 0 {
            if driver.session.discard(length, on: id) { driver.forget(id) }
            return
        }
        guard let waiting = driver.unread[id] else { preconditionFailure("bytes for stream \(id), which does not exist") }
        driver.unread[id] = waiting + length
        driver.apply(driver.session.noteUnread(waiting + length, on: id, at: now), at: now)
    }
}

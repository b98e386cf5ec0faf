import NIOCore
import NIOEmbedded
import P2PCore
import P2PQUIC

/// The frames of a connection whose handshake is done, from a peer that has the keys and keeps to no rule.
///
/// The first byte says whether the endpoint dialled or listened. An application reads, writes and ends streams meanwhile. Nothing may
/// trap; bytes of a stream come once and in order; when the connection has gone, nothing is left of it.
enum QUICFramesFuzzing {
    /// What the lower half of an operation's byte says; the upper half chooses among streams and the like.
    enum Operation: UInt8, CaseIterable {
        case raw, data, stray, reset, stop, credit, name, acknowledge, close, send, again, accept, write, read, end, pass
    }

    static let seeds: [[UInt8]] = {
        func does(_ operation: Operation, _ choice: UInt8 = 0, _ rest: UInt8...) -> [UInt8] { [operation.rawValue | choice << 4] + rest }
        let talk =
            does(.data, 0, 0x05) + does(.send) + does(.accept) + does(.read, 0, 0x07) + does(.write, 0, 0x09)
            + does(.acknowledge, 0, 3, 2) + does(.send) + does(.data, 8, 0x05) + does(.send) + does(.read, 0, 0x07)
        let ending = does(.end, 0, 0) + does(.stop, 0, 7) + does(.send) + does(.reset, 0, 0, 9) + does(.send) + does(.again)
        return [
            [0] + talk + ending, [1] + talk + ending + does(.close, 1, 5, 3, 65, 66, 67) + does(.send),
            [0] + does(.stray, 0, 0x20, 1, 0) + does(.send) + does(.data, 0, 0x07) + does(.data, 0, 0x07) + does(.send) + does(.accept)
                + does(.read, 0, 0x09) + does(.again),
            [1] + does(.accept, 1) + does(.write, 0, 0x0c) + does(.credit, 1, 0, 0, 2, 0, 0) + does(.send) + does(.stop, 8, 3) + does(.send)
                + does(.write, 0, 0x0c) + does(.end, 0, 1) + does(.pass, 3),
            [0] + does(.name, 0, 1, 0, 8) + does(.name, 1, 0) + does(.name, 2, 9) + does(.name, 3, 9) + does(.send, 1) + does(.send, 5)
                + does(.pass, 0) + does(.pass, 1),
            // Silence in between, long enough for a connection to rest.
            [0] + talk + does(.pass, 9) + talk + does(.pass, 13) + ending, [1] + does(.pass, 9) + does(.close, 0, 1, 0) + does(.send),
            [0] + does(.name, 0, 1, 1, 8) + does(.send) + does(.name, 0, 2, 1, 8) + does(.send),
            [0] + (0..<12).flatMap { does(.reset, UInt8($0 % 8), 0, 6) + does(.send) } + does(.pass, 2),
            [1] + does(.raw, 0, 9) + [0x1e, 0x07, 3, 1, 2, 3, 0x01, 0x00, 0x00] + does(.send) + does(.raw, 0, 4) + [0x40, 0x06, 0, 0]
                + does(.send),
        ]
    }()

    static func run(_ bytes: [UInt8]) {
        #if QUIC
            var input = FuzzInput(bytes)
            var run = Run(input.byte() & 1 == 0 ? .listener : .dialer)
            // So many packets say all that there is to say.
            while !input.isEmpty, run.packets < 300 { run.act(&input) }
            run.finish()
        #endif
    }

    #if QUIC
        private struct Run {
            let channel = EmbeddedChannel()
            let budget = MemoryBudget(limit: 8 << 20)
            let feed: QUICEndpointFeed
            let forger: QUICForger
            let application: MuxedApplication
            /// The second bit of the peer's streams' numbers is always 0; this is the first.
            let parity: UInt64
            /// How far the peer has said its streams, and whether anything was said that is no pattern.
            var places: [UInt64: UInt64] = [:]
            var hasForged = false
            var pending = QUICFrames()
            var last: [UInt8] = []
            var packets = 0

            init(_ role: ConnectionRole) {
                do {
                    self.feed = try QUICEndpointFeed(channel: self.channel, identity: .vector, windowBudget: self.budget)
                } catch {
                    preconditionFailure("no endpoint: \(error)")
                }
                self.forger = QUICForger(self.feed, role, identity: .vector)
                self.application = MuxedApplication(
                    self.feed.connections[0], executor: self.feed.executor, loop: self.channel.embeddedEventLoop)
                self.parity = role == .listener ? 0 : 1
            }

            /// Eight streams of the peer's, and eight of the application's.
            private func stream(_ choice: UInt8) -> UInt64 {
                UInt64(choice & 7) * 4 + (choice & 8 == 0 ? self.parity : 1 - self.parity)
            }

            mutating func act(_ input: inout FuzzInput) {
                let byte = input.byte()
                let choice = byte >> 4
                let index = self.application.held.isEmpty ? -1 : Int(choice) % self.application.held.count
                switch Operation(rawValue: byte & 0x0f) {
                case .raw:
                    self.hasForged = true
                    self.pending.raw(input.take(Int(input.byte())))
                case .send: self.send(choice)
                case .again: self.repeatLast(choice)
                case .accept where choice & 1 == 0: self.application.accept()
                case .accept: self.application.open()
                case .write where choice & 1 == 0: self.application.write(input.size(), to: index)
                case .write: self.application.finish(index)
                case .read: self.application.read(1 + input.size(), from: index, isChecked: !self.hasForged)
                case .end: self.application.end(index, input.byte())
                case .pass: self.pass(choice)
                case let operation: self.say(operation, choice, &input)
                }
                if self.pending.isFull { self.send(0) }
                self.application.loop.run()
                precondition(self.budget.reserved <= self.budget.limit)
            }

            /// One frame more for the next packet.
            private mutating func say(_ operation: Operation?, _ choice: UInt8, _ input: inout FuzzInput) {
                let id = self.stream(choice)
                let place = self.places[id, default: 0]
                switch operation {
                case .data, .stray:
                    let size = input.byte()
                    let count = min(QUICFrames.room, Int(size & 0x7f) << (size & 0x40 == 0 ? 0 : 4))
                    // Before what was said, behind it, or over it.
                    let start = operation == .data ? place : UInt64(max(0, Int(place) + input.short() - 0x100))
                    self.pending.stream(
                        id, at: start, Array(FuzzPattern.bytes(at: Int(start), count: count).readableBytesView), isLast: size & 0x80 != 0)
                    if operation == .data { self.places[id] = place + UInt64(count) }
                case .reset:
                    let code = UInt64(input.byte())
                    // 0x1006 is a goodbye.
                    self.pending.reset(id, code: code == 6 ? 0x1006 : code, size: place + UInt64(input.byte() & 0x0f) / 8)
                case .stop: self.pending.stop(id, code: UInt64(input.byte()))
                case .credit: self.pending.credit(input.byte(), id, UInt64(input.word()) << (choice & 4 == 0 ? 0 : 30))
                case .name:
                    let value = input.byte()
                    switch choice & 3 {
                    case 0: self.pending.newID(UInt64(value), retiring: UInt64(input.byte()), length: input.byte() & 0x1f, name: value)
                    case 1: self.pending.retireID(UInt64(value))
                    case 2: self.pending.challenge(value)
                    default: self.pending.answer(value)
                    }
                case .acknowledge: self.pending.acknowledge(UInt64(input.byte()), and: UInt64(input.byte()))
                case .close:
                    let code = UInt64(input.byte())
                    self.pending.close(isApplication: choice & 1 != 0, code: code, reason: input.take(Int(input.byte())))
                default: break
                }
            }

            /// The packet goes out: from where the peer has been, or from elsewhere; to the id that it began with, or to another.
            private mutating func send(_ choice: UInt8) {
                let ids = choice & 4 == 0 ? [] : self.feed.ids
                let id = ids.isEmpty ? nil : ids[Int(choice) % ids.count]
                if let packet = self.forger.packet(self.pending.bytes, to: id) { self.deliver(packet, choice) }
                self.last = self.pending.bytes
                self.pending = QUICFrames()
            }

            /// The same frames in a new packet, or the same packet twice.
            private mutating func repeatLast(_ choice: UInt8) {
                guard let packet = self.forger.packet(self.last) else { return }
                self.deliver(packet, choice)
                if choice & 1 != 0 { self.deliver(packet, choice) }
            }

            private mutating func deliver(_ packet: [UInt8], _ choice: UInt8) {
                self.packets += 1
                self.feed.receive(packet, fromPort: choice & 3 == 1 ? 1_024 : self.forger.port, ecn: choice & 3)
            }

            private func pass(_ choice: UInt8) {
                switch choice & 3 {
                case 0: self.feed.expire()
                case 1: self.channel.embeddedEventLoop.advanceTime(by: .milliseconds(Int64(choice) * 100))
                case 2: self.feed.close(.normal, grace: .seconds(1))
                default: self.application.accept()
                }
            }

            mutating func finish() {
                if !self.pending.isEmpty { self.send(0) }
                self.application.accept()
                self.application.loop.run()
                self.feed.finish()
                // What still answers for connections that are over goes as well.
                self.channel.embeddedEventLoop.advanceTime(by: .hours(1))
                _ = try? self.channel.finish(acceptAlreadyClosed: true)
                self.application.checkOver()
                precondition(self.budget.reserved == 0, "\(self.budget.reserved) bytes of windows without a connection")
                precondition(self.feed.remains == 0, "\(self.feed.remains) sessions or ids without a connection")
            }
        }
    #endif
}

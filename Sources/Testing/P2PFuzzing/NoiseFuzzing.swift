import NIOCore
import P2PCore
import P2PIdentity
import P2PNoise

/// Noise under forged bytes: nobody is taken for the one peer that can sign, and nothing is delivered that was not said.
enum NoiseFuzzing {
    private static let muxers: [ProtocolID] = ["/yamux/1.0.0", "/mplex/6.7.0"]

    private static func session(_ role: ConnectionRole) -> NoiseSession {
        NoiseSession(
            role: role, identity: FuzzIdentity.noise, expecting: nil, muxers: Self.muxers,
            ephemeral: FuzzIdentity.noiseKey(role == .dialer ? 0x11 : 0x22))
    }

    // MARK: Handshakes

    static func handshake(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        let choice = input.byte()
        let role = choice & 1 == 0 ? ConnectionRole.dialer : .listener
        switch (choice >> 1) % 4 {
        case 0, 1: Self.raw(role, seed: input.byte(), input.remainder())
        case 2: Self.proving(role, input.remainder())
        default: Self.flipping(&input)
        }
    }

    /// A peer that sends just anything.
    private static func raw(_ role: ConnectionRole, seed: UInt8, _ bytes: [UInt8]) {
        var session = Self.session(role)
        _ = try? session.start()
        do throws(NoiseError) {
            for piece in FuzzInput.pieces(of: bytes, seed: seed) {
                var buffer = ByteBuffer(bytes: piece)
                while buffer.readableBytes > 0 {
                    let before = buffer.readableBytes
                    switch try session.received(&buffer) {
                    case .none: break
                    case .send(let reply): precondition(reply.readableBytes > 2)
                    case .secured(let peer, _): preconditionFailure("\(peer.peer) needs no proof")
                    case .record: preconditionFailure("a record before the handshake is done")
                    }
                    precondition(buffer.readableBytes < before, "a session takes nothing and stays")
                }
            }
        } catch {
            Self.checkEnd(of: &session)
            return
        }
        let ending = Result { () throws(NoiseError) in try session.inputClosed() }
        guard case .failure(let error) = ending, error.code == .truncated else { preconditionFailure("an unfinished handshake ends well") }
    }

    private static func checkEnd(of session: inout NoiseSession) {
        var buffer = ByteBuffer(repeating: 7, count: 40)
        guard let event = try? session.received(&buffer), case .none = event, buffer.readableBytes == 0 else {
            preconditionFailure("a session that failed goes on")
        }
        var record = ByteBuffer(repeating: 1, count: 10)
        precondition((try? session.seal(&record)) == nil, "a session that failed seals")
    }

    /// A peer that knows Noise, holds a static key that was signed, and sends just any payload.
    private static func proving(_ role: ConnectionRole, _ payload: [UInt8]) {
        var session = Self.session(role)
        var attacker = NoiseHandshake(
            role: role == .dialer ? .responder : .initiator, localStatic: FuzzIdentity.noiseKey(0x77),
            ephemeral: FuzzIdentity.noiseKey(0x33))
        do throws(NoiseError) {
            if role == .dialer {
                guard let first = try session.start() else { preconditionFailure("a dialer has nothing to say") }
                _ = try attacker.read(Array(first.readableBytesView.dropFirst(2)))
                Self.deliver(try attacker.write(payload: payload), to: &session)
            } else {
                var first = Self.framed(try attacker.write(payload: []))
                guard case .send(let second) = try session.received(&first) else { preconditionFailure("a listener does not answer") }
                _ = try attacker.read(Array(second.readableBytesView.dropFirst(2)))
                Self.deliver(try attacker.write(payload: payload), to: &session)
            }
        } catch {
            precondition(error.code == .messageTooLong, "an honest step fails: \(error)")
        }
    }

    private static func deliver(_ message: [UInt8], to session: inout NoiseSession) {
        var buffer = Self.framed(message)
        do throws(NoiseError) {
            switch try session.received(&buffer) {
            case .secured(let peer, _): Self.check(peer.peer, peer.metadata)
            case .none, .send, .record: preconditionFailure("a payload is neither accepted nor refused")
            }
        } catch {
            Self.checkEnd(of: &session)
        }
    }

    private static func check(_ peer: PeerID, _ metadata: [UInt8]?) {
        precondition(peer == FuzzIdentity.peer, "\(peer) has proved nothing")
        precondition((metadata?.count ?? 0) <= NoiseLimits.maximumMetadata)
    }

    private static func framed(_ message: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt16(truncatingIfNeeded: message.count))
        buffer.writeBytes(message)
        return buffer
    }

    /// Two honest sides, with one byte of one message changed.
    private static func flipping(_ input: inout FuzzInput) {
        let (index, place, mask) = (input.number(below: 3), input.short(), input.byte())
        var dialer = Self.session(.dialer)
        var listener = Self.session(.listener)
        var isTampered = false
        func carried(_ message: ByteBuffer, _ number: Int) -> ByteBuffer {
            var message = message
            guard number == index, mask != 0, message.readableBytes > 2 else { return message }
            let at = 2 + place % (message.readableBytes - 2)
            guard let byte = message.getInteger(at: at, as: UInt8.self) else { return message }
            message.setInteger(byte ^ mask, at: at)
            // The top bit of an X25519 key means nothing, but it is hashed.
            isTampered = true
            return message
        }
        var isListenerSecured = false
        do throws(NoiseError) {
            guard let first = try dialer.start() else { preconditionFailure("a dialer has nothing to say") }
            var forth = carried(first, 0)
            guard case .send(let second) = try listener.received(&forth) else { preconditionFailure("a listener does not answer") }
            var back = carried(second, 1)
            guard case .secured(let peer, sending: let third?) = try dialer.received(&back) else { preconditionFailure("a dialer waits") }
            Self.check(peer.peer, peer.metadata)
            precondition(!isTampered, "a changed message is accepted by the dialer")
            var last = carried(third, 2)
            guard case .secured(let other, sending: nil) = try listener.received(&last) else { preconditionFailure("a listener waits") }
            Self.check(other.peer, other.metadata)
            precondition(other.earlyMuxer == "/yamux/1.0.0" && peer.earlyMuxer == "/yamux/1.0.0")
            isListenerSecured = true
        } catch {
            precondition(isTampered, "an honest handshake fails: \(error)")
        }
        precondition(isListenerSecured != isTampered)
    }

    // MARK: Records

    /// One side of two that are past their handshake.
    private struct Side: ~Copyable {
        var session: NoiseSession
        var said: [UInt8] = []
        var heard = 0
        var wire: [UInt8] = []
        var hasFailed = false
        /// Something that this side sent was changed or lost.
        var isTampered = false

        mutating func say(_ count: Int, withRoom: Bool) {
            let plaintext = (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ self.said.count) &* 7) }
            var record = ByteBuffer()
            if withRoom {
                record.reserveCapacity(count + 18)
                record.moveWriterIndex(to: 2)
                record.moveReaderIndex(to: 2)
            }
            record.writeBytes(plaintext)
            do throws(NoiseError) {
                try self.session.seal(&record)
                precondition(count <= NoiseLimits.maximumPlaintext && record.readableBytes == count + 18)
                self.said += plaintext
                self.wire += Array(record.readableBytesView)
            } catch {
                precondition(self.hasFailed || count > NoiseLimits.maximumPlaintext, "a record of \(count) bytes: \(error)")
                self.hasFailed = true
            }
        }

        mutating func hear(_ bytes: [UInt8], of said: [UInt8], seed: UInt8) {
            for piece in FuzzInput.pieces(of: bytes, seed: seed) {
                var buffer = ByteBuffer(bytes: piece)
                while buffer.readableBytes > 0 {
                    do throws(NoiseError) {
                        switch try self.session.received(&buffer) {
                        case .record(let record):
                            precondition(!self.hasFailed && record.readableBytes > 0)
                            let expected = said[self.heard...].prefix(record.readableBytes)
                            precondition(record.readableBytesView.elementsEqual(expected), "something was heard that was not said")
                            self.heard += expected.count
                        case .none: break
                        case .send, .secured: preconditionFailure("a handshake after the handshake")
                        }
                    } catch {
                        self.hasFailed = true
                    }
                }
            }
        }
    }

    static func records(_ bytes: [UInt8]) {
        var input = FuzzInput(bytes)
        var dialer = Side(session: Self.session(.dialer))
        var listener = Side(session: Self.session(.listener))
        do throws(NoiseError) {
            guard var first = try dialer.session.start(), case .send(var second) = try listener.session.received(&first),
                case .secured(_, sending: var third?) = try dialer.session.received(&second),
                case .secured = try listener.session.received(&third)
            else { preconditionFailure("an honest handshake fails") }
        } catch {
            preconditionFailure("an honest handshake fails: \(error)")
        }
        while !input.isEmpty, dialer.said.count + listener.said.count < 1 << 18 {
            let choice = input.byte()
            if choice & 1 == 0 {
                Self.step(choice >> 1, &input, from: &dialer, to: &listener)
            } else {
                Self.step(choice >> 1, &input, from: &listener, to: &dialer)
            }
        }
        for isForth in [true, false] {
            if isForth { Self.settle(from: &dialer, to: &listener) } else { Self.settle(from: &listener, to: &dialer) }
        }
    }

    private static func step(_ choice: UInt8, _ input: inout FuzzInput, from: inout Side, to: inout Side) {
        switch choice % 8 {
        case 0, 1, 2: from.say(min(input.size(), 70_000), withRoom: choice & 8 == 0)
        case 3, 4:
            let count = min(from.wire.count, input.size())
            to.hear(Array(from.wire.prefix(count)), of: from.said, seed: input.byte())
            from.wire.removeFirst(count)
        case 5:
            guard !from.wire.isEmpty else { return }
            let place = input.short() % from.wire.count
            let mask = input.byte()
            from.wire[place] ^= mask
            from.isTampered = from.isTampered || mask != 0
        case 6:
            // A part is lost, comes twice, or something is slipped in.
            guard choice & 0x40 != 0, !from.wire.isEmpty else { return }
            let place = input.short() % from.wire.count
            let part = Array(from.wire[place...].prefix(1 + input.size()))
            if choice & 0x20 == 0 { from.wire.removeSubrange(place..<(place + part.count)) } else { from.wire += part }
            from.isTampered = true
        default:
            guard choice & 0x40 != 0 else { return }
            from.wire += input.take(32)
            from.isTampered = true
        }
    }

    private static func settle(from: inout Side, to: inout Side) {
        let hadFailed = to.hasFailed
        to.hear(from.wire, of: from.said, seed: 0)
        if !from.isTampered, !hadFailed {
            precondition(!to.hasFailed && to.heard == from.said.count, "something that was said was not heard")
        }
    }

    // MARK: Payloads

    static func payload(_ bytes: [UInt8]) {
        let staticKey = FuzzIdentity.noiseKey(0x77).publicKey
        guard let verified = try? NoisePayload.verify(bytes, staticKey: staticKey, expecting: nil) else { return }
        Self.check(verified.peer, verified.metadata)
        precondition(verified.key == FuzzIdentity.key && verified.muxers.count <= NoiseLimits.maximumMuxers)
        precondition((try? NoisePayload.verify(bytes, staticKey: FuzzIdentity.noiseKey(0x78).publicKey, expecting: nil)) == nil)
        precondition((try? NoisePayload.verify(bytes, staticKey: staticKey, expecting: verified.peer)) != nil)
    }
}

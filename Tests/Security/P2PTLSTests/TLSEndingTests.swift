#if TLS
    import NIOCore
    import NIOEmbedded
    import P2PCore
    import P2PIdentity
    import P2PPipeline
    import Testing

    @testable import P2PTLS

    /// How a TLS channel ends, and what a peer may send before it has proved who it is.
    @Suite struct TLSEndingTests {
        private let security: TLSSecurity

        init() async throws {
            self.security = try await TLSSecurity.make(identity: try PrivateKey.generate(.ed25519))
        }

        private func secured() async throws -> Wire {
            let wire = try Wire(self.security, role: .listener, peer: try await Peer().handler(role: .dialer))
            wire.carry()
            _ = try #require(try wire.result?.get())
            return wire
        }

        @Test("An end without close_notify is an error")
        func truncated() async throws {
            let wire = try await self.secured()
            wire.ours.pipeline.fireChannelInactive()
            #expect(wire.trace.errors.map { ($0 as? TLSError)?.code } == [.truncated])
            #expect(wire.trace.isInactive)
        }

        @Test("An end with close_notify is a clean one, and is answered")
        func closeNotify() async throws {
            let wire = try await self.secured()
            wire.theirs.close(promise: nil)
            wire.carry()
            #expect(wire.trace.errors.isEmpty)
            #expect(wire.trace.isInactive)
            #expect(!wire.theirs.isActive)
        }

        @Test("Closing says close_notify and waits a second at most for the answer")
        func impatient() async throws {
            let wire = try await self.secured()
            wire.ours.close(promise: nil)
            let farewell = Wire.outbound(of: wire.ours)
            #expect(farewell.first == 23)
            #expect(wire.ours.isActive)
            wire.ours.embeddedEventLoop.advanceTime(by: .seconds(1))
            #expect(!wire.ours.isActive)
        }

        @Test("A record that was changed is refused, and the error says so")
        func tampered() async throws {
            let wire = try await self.secured()
            wire.theirs.writeAndFlush(ByteBuffer(bytes: [1, 2, 3]), promise: nil)
            var record = Wire.outbound(of: wire.theirs)
            record[record.count - 1] ^= 1
            Wire.deliver(record, to: wire.ours)
            #expect(wire.trace.errors.map { ($0 as? TLSError)?.code } == [.recordRefused])
            #expect(wire.trace.bytes.isEmpty)
            #expect(wire.trace.isInactive)
        }

        @Test("Closing our side before the handshake is done is told as such", arguments: [ConnectionRole.dialer, .listener])
        func closed(role: ConnectionRole) throws {
            let wire = try Wire(self.security, role: role)
            wire.ours.close(promise: nil)
            wire.ours.embeddedEventLoop.run()
            #expect(wire.failure?.code == .closed)
        }

        @Test("An end within the handshake is told as such", arguments: [ConnectionRole.dialer, .listener])
        func cut(role: ConnectionRole) throws {
            let wire = try Wire(self.security, role: role)
            wire.ours.pipeline.fireChannelInactive()
            #expect(wire.failure?.code == .closed)
            #expect(wire.reason?.code == .truncated)
        }

        @Test("The peer's half-close within the handshake ends it", arguments: [ConnectionRole.dialer, .listener])
        func halfClosed(role: ConnectionRole) throws {
            let wire = try Wire(self.security, role: role)
            wire.ours.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            wire.ours.embeddedEventLoop.run()
            #expect(wire.reason?.code == .truncated)
            #expect(!wire.ours.isActive)
        }

        @Test("A first message beyond the limit is refused also where all of it comes at once", arguments: [16_000, 17_000])
        func longGreeting(size: Int) throws {
            let wire = try Wire(self.security, role: .listener)
            func number(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
            // An extension that nobody knows, of so many bytes.
            let head: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32) + [0, 0, 2, 0x13, 1, 1, 0]
            let body = head + number(size + 4) + [0xfa, 0xfa] + number(size) + [UInt8](repeating: 0, count: size)
            let message = [1, 0] + number(body.count) + body
            var bytes: [UInt8] = []
            for start in stride(from: 0, to: message.count, by: 10_000) {
                let piece = message[start..<min(start + 10_000, message.count)]
                bytes += [22, 3, 1] + number(piece.count) + piece
            }
            Wire.deliver(bytes, to: wire.ours)
            #expect((wire.reason?.code == .handshakeTooLong) == (size > 16_384))
            #expect(!wire.ours.isActive, "the shorter one offers nothing that is spoken here")
        }

        @Test("A first message without end is refused at its limit")
        func endlessGreeting() throws {
            let wire = try Wire(self.security, role: .listener)
            // A ClientHello that announces 65,536 bytes, in records of 1,000.
            Wire.deliver([22, 3, 1, 3, 0xe8] + [1, 1, 0, 0] + [UInt8](repeating: 0, count: 996), to: wire.ours)
            for _ in 0..<15 { Wire.deliver([22, 3, 1, 3, 0xe8] + [UInt8](repeating: 0, count: 1_000), to: wire.ours) }
            #expect(wire.result == nil)
            Wire.deliver([22, 3, 1, 3, 0xe8] + [UInt8](repeating: 0, count: 1_000), to: wire.ours)
            #expect(wire.failure?.code == .securityFailed)
            #expect(wire.reason?.code == .handshakeTooLong)
            #expect(!wire.ours.isActive)
        }

        @Test("A peer that floods before its handshake is done is refused at the limit")
        func flood() async throws {
            let wire = try Wire(self.security, role: .listener, peer: try await Peer().handler(role: .dialer))
            Wire.deliver(Wire.outbound(of: wire.theirs), to: wire.ours)
            _ = Wire.outbound(of: wire.ours)
            // An encrypted record that never completes would be bounded by its own length; these are whole and unreadable.
            var sent = 0
            while wire.ours.isActive, sent < 1 << 20 {
                // change_cipher_spec is passed over by TLS 1.3, so it is what a flood can be made of.
                Wire.deliver([20, 3, 3, 0, 1, 1], to: wire.ours)
                sent += 6
            }
            #expect(wire.failure?.code == .securityFailed)
            #expect(sent <= TLSLimits.maximumHandshake + 6)
        }

        @Test("What a quick dialer sends behind its handshake is not held against it")
        func quick() async throws {
            let wire = try Wire(self.security, role: .listener, peer: try await Peer().handler(role: .dialer))
            let payload = [UInt8](repeating: 7, count: 200_000)
            wire.theirs.writeAndFlush(ByteBuffer(bytes: payload), promise: nil)
            wire.carry()
            #expect(try wire.result?.get() != nil)
            #expect(wire.trace.bytes == payload)
        }

        @Test("Messages that come one byte at a time are read the same")
        func byteByByte() async throws {
            let wire = try Wire(
                self.security, role: .listener, peer: try await Peer(protocols: ["/yamux/1.0.0", "libp2p"]).handler(role: .dialer))
            while true {
                let there = Wire.outbound(of: wire.theirs)
                Wire.deliver(there, to: wire.ours, pieceSize: 1)
                let back = Wire.outbound(of: wire.ours)
                Wire.deliver(back, to: wire.theirs, pieceSize: 1)
                if there.isEmpty, back.isEmpty { break }
            }
            #expect(try #require(try wire.result?.get()).earlyMuxer == "/yamux/1.0.0")
        }

        @Test("Garbage is refused, whoever dialled", arguments: [ConnectionRole.dialer, .listener], [UInt8(0), 0x16, 0x80, 0xff])
        func garbage(role: ConnectionRole, byte: UInt8) throws {
            let wire = try Wire(self.security, role: role)
            Wire.deliver([UInt8](repeating: byte, count: 100_000), to: wire.ours)
            #expect(wire.failure?.code == .securityFailed)
            #expect(!wire.ours.isActive)
        }

        @Test("A muxer's records arrive in order, more of them than the library is given at once")
        func records() async throws {
            let wire = try await self.secured()
            let writer = try #require(try wire.result?.get()).records
            #expect(writer.layout.headroom == 0 && writer.layout.tailroom == 0)
            var received: [UInt8] = []
            let ears = Ears { received += $0.readableBytesView }
            try wire.theirs.pipeline.syncOperations.addHandler(
                ears, position: .before(try wire.theirs.pipeline.syncOperations.handler(type: Swallow.self)))
            var sent: [UInt8] = []
            for number in 0..<10 {
                var record = writer.makeRecord(payload: 40_000)
                #expect(record.writableBytes >= 40_000 && record.readableBytes == 0)
                let bytes = [UInt8](repeating: UInt8(number), count: 40_000)
                record.writeBytes(bytes)
                sent += bytes
                writer.write(record, promise: nil)
            }
            writer.flush()
            wire.carry()
            #expect(received == sent)
        }
    }

    private final class Ears: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let hear: (ByteBuffer) -> Void
        init(_ hear: @escaping (ByteBuffer) -> Void) { self.hear = hear }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { self.hear(self.unwrapInboundIn(data)) }
    }
#endif

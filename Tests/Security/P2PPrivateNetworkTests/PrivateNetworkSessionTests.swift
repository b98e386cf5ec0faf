import NIOCore
import P2PCore
import P2PNegotiation
import P2PPipeline
import Testing

@testable import P2PPrivateNetwork

#if Sodium
    @Suite("A session of a private network")
    struct PrivateNetworkSessionTests {
        private let key = PreSharedKey.generate()
        private let greeting = Array(NegotiationTable.header.readableBytesView) + Array("and more".utf8)

        private func session(_ key: PreSharedKey? = nil) throws -> PrivateNetworkSession {
            try PrivateNetworkSession(key: key ?? self.key)
        }

        /// What the bytes say to a session of the key, in pieces of a size.
        private func heard(_ bytes: [UInt8], by key: PreSharedKey? = nil, step: Int = .max) throws -> [UInt8] {
            var session = try self.session(key)
            var text: [UInt8] = []
            var rest = ByteBuffer(bytes: bytes)
            while rest.readableBytes > 0, let piece = rest.readSlice(length: min(step, rest.readableBytes)) {
                text += try session.received(piece).map { Array($0.readableBytesView) } ?? []
            }
            return text
        }

        private func sealed(_ pieces: [[UInt8]], nonce: [UInt8] = PrivateNetworkSession.makeNonce()) throws -> [UInt8] {
            var session = try PrivateNetworkSession(key: self.key, nonce: nonce)
            return try pieces.flatMap { Array(try session.seal(ByteBuffer(bytes: $0)).readableBytesView) }
        }

        @Test("On the wire there are 24 bytes of nonce and as many bytes as were said, none of them in the clear")
        func wire() throws {
            let nonce = Array(UInt8(1)...24)
            let bytes = try self.sealed([self.greeting, [1, 2, 3]], nonce: nonce)
            #expect(bytes.count == 24 + self.greeting.count + 3)
            #expect(Array(bytes.prefix(24)) == nonce)
            #expect(Array(bytes.dropFirst(24).prefix(self.greeting.count)) != self.greeting)
            #expect(try self.heard(bytes) == self.greeting + [1, 2, 3])
        }

        @Test("However the bytes are cut, they say the same", arguments: [1, 2, 23, 24, 25, 43, 44, 45, 64, 88, 1_000, 65_536])
        func cuts(step: Int) throws {
            let long = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 17) }
            let bytes = try self.sealed([self.greeting, long, [9]])
            #expect(try self.heard(bytes, step: step) == self.greeting + long + [9])
        }

        @Test("Every connection has another nonce, and so another stream")
        func fresh() throws {
            let (first, second) = (try self.sealed([self.greeting]), try self.sealed([self.greeting]))
            #expect(first.prefix(24) != second.prefix(24))
            #expect(first.dropFirst(24) != second.dropFirst(24))
        }

        @Test("Another key is told by the first byte that differs", arguments: [1, Int.max])
        func wrongKey(step: Int) throws {
            let bytes = try self.sealed([self.greeting])
            for _ in 0..<100 {
                #expect(throws: PrivateNetworkError(.keyMismatch, "")) { try self.heard(bytes, by: .generate(), step: step) }
            }
        }

        @Test("A peer without a key is told apart, whatever it speaks")
        func noKey() throws {
            for text in [
                "\u{13}/multistream/1.0.0\n\u{7}/noise\n", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", String(repeating: "a", count: 60),
            ] {
                #expect(throws: PrivateNetworkError(.keyMismatch, "")) { try self.heard(Array(text.utf8)) }
            }
            #expect(throws: PrivateNetworkError(.keyMismatch, "")) { try self.heard([UInt8](repeating: 0, count: 100)) }
        }

        @Test("A bit that flips on the way, in the nonce or in the header, ends the session")
        func flipped() throws {
            let bytes = try self.sealed([self.greeting])
            for bit in 0..<((24 + 20) * 8) {
                var changed = bytes
                changed[bit / 8] ^= 1 << UInt8(bit % 8)
                #expect(throws: PrivateNetworkError(.keyMismatch, "")) { try self.heard(changed) }
            }
            // Behind that, it is the secure channel that notices: the stream cipher proves nothing.
            var changed = bytes
            changed[24 + 20] ^= 1
            #expect(try self.heard(changed).count == self.greeting.count)
        }

        @Test("Our own nonce sent back is refused")
        func reflected() throws {
            var session = try self.session()
            let ours = try session.seal(ByteBuffer(bytes: self.greeting))
            let error = #expect(throws: PrivateNetworkError.self) { try session.received(ours) }
            #expect(error?.code == .nonceReflected)
            #expect(try session.received(ByteBuffer(bytes: [1, 2, 3])) == nil)
        }

        @Test("An end at any byte up to the first behind the nonce says where; later it is the others' affair")
        func ends() throws {
            let bytes = try self.sealed([self.greeting])
            for count in 0...bytes.count {
                var session = try self.session()
                _ = try session.received(ByteBuffer(bytes: bytes.prefix(count)))
                guard count <= 24 else {
                    try session.inputClosed()
                    continue
                }
                let place =
                    switch count {
                    case 0: "before its nonce"
                    case 24: "right behind its nonce"
                    default: "after \(count) of the 24 bytes of its nonce"
                    }
                let error = #expect(throws: PrivateNetworkError.self) { try session.inputClosed() }
                #expect(error?.code == .nonceMissing)
                #expect(error?.message.contains(place) == true)
                try session.inputClosed()
            }
        }

        @Test("After an error nothing is passed on any more")
        func closed() throws {
            var session = try self.session()
            #expect(throws: PrivateNetworkError(.keyMismatch, "")) { try session.received(ByteBuffer(repeating: 1, count: 100)) }
            #expect(try session.received(ByteBuffer(bytes: try self.sealed([self.greeting]))) == nil)
            try session.inputClosed()
        }
    }
#endif

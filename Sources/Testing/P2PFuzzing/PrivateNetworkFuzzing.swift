import NIOCore
import P2PCore
import P2PNegotiation
import P2PPrivateNetwork

/// Private networks: a key file is one key or an error, and a session hears what a member said, however it is cut, or nothing.
enum PrivateNetworkFuzzing {
    static func keyFile(_ bytes: [UInt8]) {
        do throws(PrivateNetworkError) {
            let key = try PreSharedKeyFile.decode(bytes)
            for encoding in PreSharedKeyFile.Encoding.allCases {
                let again = try PreSharedKeyFile.decode(PreSharedKeyFile.encode(key, as: encoding))
                precondition(again == key, "a key changes when it is written as \(encoding) and read")
            }
        } catch {
            precondition(error.code == .malformedKey, "a key file gives \(error)")
        }
    }

    #if Sodium
        static func session(_ bytes: [UInt8]) {
            var input = FuzzInput(bytes)
            let (isMember, seed, flipAt) = (input.byte() & 1 == 1, input.byte(), input.short())
            let text = input.remainder()
            var wire = text
            if isMember {
                wire = Self.said(Array(NegotiationTable.header.readableBytesView) + text, seed: seed)
                if flipAt > 0, flipAt < wire.count { wire[flipAt] ^= 1 }
            }
            let isWhole = isMember && !(flipAt > 0 && flipAt < wire.count)
            let (whole, pieces) = (Self.heard([wire]), Self.heard(FuzzInput.pieces(of: wire, seed: seed)))
            precondition(whole.hasFailed == pieces.hasFailed, "how the bytes are cut decides whether they are understood")
            precondition(whole.hasFailed || whole.text == pieces.text, "how the bytes are cut changes what they say")
            if isWhole { precondition(whole.text == Array(NegotiationTable.header.readableBytesView) + text, "a member is misunderstood") }
        }

        private static let key = try? PreSharedKey(bytes: Array(0..<32))

        private static func session(nonce: UInt8) -> PrivateNetworkSession {
            guard let key = Self.key, let session = try? PrivateNetworkSession(key: key, nonce: [UInt8](repeating: nonce, count: 24)) else {
                preconditionFailure("there is no session")
            }
            return session
        }

        private static func said(_ text: [UInt8], seed: UInt8) -> [UInt8] {
            var session = Self.session(nonce: 1)
            return FuzzInput.pieces(of: text, seed: seed).flatMap { piece in
                (try? session.seal(ByteBuffer(bytes: piece))).map { Array($0.readableBytesView) } ?? []
            }
        }

        private static func heard(_ pieces: [[UInt8]]) -> (text: [UInt8], hasFailed: Bool) {
            var session = Self.session(nonce: 2)
            var text: [UInt8] = []
            for piece in pieces {
                do throws(PrivateNetworkError) {
                    text += try session.received(ByteBuffer(bytes: piece)).map { Array($0.readableBytesView) } ?? []
                } catch {
                    return (text, true)
                }
            }
            return (text, false)
        }
    #else
        /// Needs libsodium, which this build leaves out.
        static func session(_ bytes: [UInt8]) {}
    #endif
}

import P2PCore
import P2PIdentity
import P2PMemory
import P2PMultiaddr
import P2PTesting
import Testing

extension ConformanceTests {
    @Suite("The in-memory connection keeps the contract of a muxer")
    struct MemoryConformanceTests {
        private static func pair() throws -> MuxerConformance.Pair {
            let (dialer, listener) = MemoryConnection.pair(
                dialer: MemoryPeer(key: try PrivateKey.generate(.ed25519).publicKey, address: Multiaddr("/memory/1")),
                listener: MemoryPeer(key: try PrivateKey.generate(.ed25519).publicKey, address: Multiaddr("/memory/2")))
            return (dialer, listener)
        }

        @Test("Each case", arguments: MuxerConformance.Case.allCases)
        func muxer(_ conformanceCase: MuxerConformance.Case) async throws {
            try await MuxerConformance { try Self.pair() }.run(conformanceCase)
        }
    }
}

import P2PNoise
import P2PTesting
import Testing

extension ConformanceTests {
    @Suite("Noise keeps the contract of a secure channel")
    struct NoiseConformanceTests {
        @Test("Each case", arguments: SecureChannelConformance.Case.allCases)
        func noise(_ conformanceCase: SecureChannelConformance.Case) async throws {
            try await SecureChannelConformance(hasEarlyMuxers: true, hasAppMetadata: true) { key, metadata in
                try await NoiseSecurity.make(identity: key, metadata: metadata)
            }.run(conformanceCase)
        }
    }
}

import P2PTLS
import P2PTesting
import Testing

extension ConformanceTests {
    @Suite("TLS keeps the contract of a secure channel")
    struct TLSConformanceTests {
        @Test("Each case", arguments: SecureChannelConformance.Case.allCases)
        func tls(_ conformanceCase: SecureChannelConformance.Case) async throws {
            var suite = SecureChannelConformance(hasEarlyMuxers: true, hasAppMetadata: true) { key, metadata in
                try await TLSSecurity.make(identity: key, metadata: metadata)
            }
            suite.isIgnored = Self.isLegacyVersion
            // Each side signs once, and the two integers of its ECDSA signature lose their leading zeros.
            suite.lengthVariation = 12
            try await suite.run(conformanceCase)
        }

        /// The version in the header of a record, which "MUST be ignored for all purposes" (RFC 8446, section 5.1).
        @Sendable private static func isLegacyVersion(_ flight: [UInt8], _ index: Int) -> Bool {
            var start = 0
            while start + 5 <= flight.count {
                if index == start + 1 || index == start + 2 { return true }
                start += 5 + Int(flight[start + 3]) << 8 + Int(flight[start + 4])
            }
            return false
        }
    }
}

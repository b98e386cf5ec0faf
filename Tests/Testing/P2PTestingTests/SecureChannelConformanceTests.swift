import P2PTesting
import Testing

extension ConformanceTests {
    @Suite("Every secure channel keeps the contract of one")
    struct SecureChannelConformanceTests {
        @Test("Each case", arguments: SecurityUnderTest.all, SecureChannelConformance.Case.allCases)
        func secures(_ security: SecurityUnderTest, _ conformanceCase: SecureChannelConformance.Case) async throws {
            try await security.suite.run(conformanceCase)
        }
    }
}

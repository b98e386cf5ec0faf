import P2PTesting
import Testing

#if Sodium
    import P2PPrivateNetwork
#endif

extension ConformanceTests {
    @Suite("Every muxer keeps the contract of one, in every secure channel, over every byte transport")
    struct MuxerConformanceTests {
        @Test("Each case", arguments: StackUnderTest.all, MuxerConformance.Case.allCases)
        func multiplexes(_ stack: StackUnderTest, _ conformanceCase: MuxerConformance.Case) async throws {
            try await stack.muxer.suite { try await stack.pair() }.run(conformanceCase)
        }

        #if Sodium
            @Test("In a private network, each case", arguments: StackUnderTest.inPrivateNetworks, MuxerConformance.Case.allCases)
            func privately(_ stack: StackUnderTest, _ conformanceCase: MuxerConformance.Case) async throws {
                var stack = stack
                stack.protector = try PrivateNetwork(key: PreSharedKey.generate())
                try await self.multiplexes(stack, conformanceCase)
            }
        #endif
    }
}

import P2PMemory
import P2PMultiaddr
import P2PTesting
import Testing

#if Sodium
    import P2PPrivateNetwork
#endif

extension ConformanceTests {
    @Suite("Byte transports under the upgrader keep the contract of a transport, with every secure channel and muxer")
    struct TransportConformanceTests {
        @Test("Each case", arguments: StackUnderTest.all, TransportConformance.Case.allCases)
        func transports(_ stack: StackUnderTest, _ conformanceCase: TransportConformance.Case) async throws {
            let network = MemoryNetwork()
            try await TransportConformance(
                listenAddress: Multiaddr(stack.bytes.listen), deadAddress: Multiaddr(stack.bytes.dead),
                foreignAddress: Multiaddr(stack.bytes.foreign)
            ) {
                try await stack.node(in: network)
            }.run(conformanceCase)
        }

        #if Sodium
            @Test("In a private network, each case", arguments: StackUnderTest.inPrivateNetworks, TransportConformance.Case.allCases)
            func privately(_ stack: StackUnderTest, _ conformanceCase: TransportConformance.Case) async throws {
                var stack = stack
                stack.protector = try PrivateNetwork(key: PreSharedKey.generate())
                try await self.transports(stack, conformanceCase)
            }
        #endif
    }
}

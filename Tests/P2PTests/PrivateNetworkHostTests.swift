import P2PPipeline
import Testing

@testable import P2P

@Suite("Hosts of private networks", .timeLimit(.minutes(1)))
struct PrivateNetworkHostTests {
    private static func configuration(_ key: PreSharedKey?) -> StandardConfiguration {
        var configuration = StandardConfiguration()
        configuration.surroundings.privateNetworkKey = key
        return configuration
    }

    #if Sodium
        @Test("Members greet each other")
        func members() async throws {
            let configuration = Self.configuration(.generate())
            try await withHosts(dialer: configuration, listener: configuration) { dialer, _, address in
                let greeting = try await greet("Ada", at: address, as: dialer)
                #expect(greeting == "Hello Ada, your key is proved: \(dialer.peerID)")
            }
        }

        @Test("A dial to another network fails at once, and its error says why")
        func strangers() async throws {
            try await withHosts(dialer: Self.configuration(.generate()), listener: Self.configuration(.generate())) { dialer, _, address in
                let error = await #expect(throws: DialError.self) { try await dialer.connect(to: address) }
                #expect(error?.attempts.map(\.error.code) == [.closed])
                #expect(error?.message.contains("private network") == true)
            }
        }

        @Test("It shares no port: to whoever has no key its first bytes tell nothing apart")
        func sharedPort() async throws {
            var configuration = Self.configuration(.generate())
            configuration.transports = [TCP(), WebSockets(sharesPorts: true)]
            let error = await #expect(throws: TransportError.self) {
                _ = try await PeerHost.standard(identity: try PrivateKey.generate(.ed25519), configuration: configuration)
            }
            #expect(error?.code == .invalidConfiguration)
            #expect(error?.message.contains("shares no port") == true)
        }
    #else
        @Test("Without libsodium a host with a key is a typed error that names the trait")
        func notBuiltIn() async throws {
            let identity = try PrivateKey.generate(.ed25519)
            let error = await #expect(throws: TransportError.self) {
                _ = try await PeerHost.standard(identity: identity, configuration: Self.configuration(.generate()))
            }
            #expect(error?.code == .notBuiltIn)
            #expect(error?.message.contains("Sodium") == true)
        }
    #endif

    @Test("Where the environment demands a private network, a host without a key is refused and told what to do")
    func forced() throws {
        let error = #expect(throws: TransportError.self) { _ = try Surroundings().protector(isForced: true) }
        #expect(error?.code == .privateNetworkRequired)
        for word in ["LIBP2P_FORCE_PNET", "--psk", "privateNetworkKey"] { #expect(error?.message.contains(word) == true) }
        #expect(try Surroundings().protector(isForced: false) == nil)
    }
}

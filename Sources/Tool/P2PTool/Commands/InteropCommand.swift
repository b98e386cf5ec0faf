import ArgumentParser
import NIOCore
import P2P
import P2PMultiaddr

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// `p2p interop`.
struct InteropCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "interop",
        abstract: "Take part in a test of the official interoperability contract.",
        discussion: """
            What to do stands in the environment, in either generation of the contract. The dialer prints the result and nothing \
            else on standard output; the listener runs until it is stopped.
              export transport=tcp security=noise muxer=yamux redis_addr=127.0.0.1:6379
              ip=127.0.0.1 is_dialer=false p2p interop & is_dialer=true p2p interop
            The newer names are TRANSPORT, SECURE_CHANNEL, MUXER, IS_DIALER, REDIS_ADDR and TEST_KEY.
            Optional are test_timeout_seconds (60) and, upper case, LISTENER_IP (0.0.0.0).
            """)

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let contract = try InteropContract(environment: Self.environment())
        let run = InteropRun(contract: contract, console: console)
        var options = self.node
        if let security = contract.security { options.security = [security] }
        if let muxer = contract.muxer { options.muxer = [muxer] }
        try await NodeSession.run(options) { session in
            if contract.isDialer { try await run.dial(session) } else { try await run.listen(session) }
        }
    }

    /// The variables that the contract knows, as far as they are set.
    private static func environment() -> [String: String] {
        let names = [
            "transport", "security", "muxer", "is_dialer", "ip", "redis_addr", "test_timeout_seconds", "TRANSPORT", "SECURE_CHANNEL",
            "MUXER",
            "IS_DIALER", "LISTENER_IP", "REDIS_ADDR", "TEST_KEY", "TEST_TIMEOUT_SECONDS",
        ]
        var environment: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return environment
    }
}

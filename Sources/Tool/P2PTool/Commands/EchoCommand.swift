import ArgumentParser
import P2P
import P2PCore

/// `p2p echo`.
struct EchoCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "echo",
        abstract: "Send bytes to a peer that returns them.",
        discussion: """
            What comes back goes to standard output. The bytes come from --message or, without it, from standard input; any \
            number of them, because they are sent as fast as they come back, 1 MiB ahead at most. Ends with 0 only if all came \
            back. With --json, standard output has the counts and, for --message, the text.
              p2p echo /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --message hello
              p2p echo /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... <photo.raw | cmp - photo.raw
            """)

    @OptionGroup var target: TargetOptions

    @Option(help: ArgumentHelp("What to send, in place of standard input.", valueName: "text"))
    var message: String?

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let (target, message) = (self.target, self.message)
        try await NodeSession.run(self.node) { session in
            let connection = try await session.connect(target)
            let stream = try await connection.openStream(EchoProtocol.id)
            let exchange = EchoExchange(stream: stream, message: message, console: console)
            let started = ContinuousClock.now
            let count = try await StallWatch.guarding(timeout: session.options.timeout.duration) { watch in
                try await exchange.run(watch)
            }
            try await exchange.summarize(count, in: .now - started, with: connection.remotePeer)
        }
    }
}

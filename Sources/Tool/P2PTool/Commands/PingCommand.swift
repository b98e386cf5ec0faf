import ArgumentParser
import P2P
import P2PCore

/// `p2p ping`.
struct PingCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "ping",
        abstract: "Connect to a peer and measure round trips.",
        discussion: """
            Ends with 0 only if every ping came back. Through a relay (.../p2p-circuit/p2p/...), --direct waits for a direct connection \
            to take over.
              p2p ping /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...
              p2p ping /dns4/example.org/tcp/4001 --any-peer --count 100 --json
              p2p ping /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo.../p2p-circuit/p2p/12D3Koo... --direct 20
            """)

    @OptionGroup var target: TargetOptions

    @Option(help: "How many pings to send; 0 for as many as there is time.")
    var count: UInt = 5

    @Option(help: ArgumentHelp("Seconds from one ping to the next.", valueName: "seconds"))
    var interval = Seconds(1)

    @Option(
        help: ArgumentHelp(
            "Seconds to wait for a direct connection to a peer that is reached through a relay; without one the command fails.",
            valueName: "seconds"))
    var direct: Seconds?

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    func execute(_ console: Console) async throws {
        let run = PingRun(
            target: self.target, count: self.count, interval: self.interval.duration, console: console, direct: self.direct?.duration)
        let outcome = try await NodeSession.run(self.node) { session in try await run.execute(session) }
        if let failure = outcome { throw failure }
    }
}

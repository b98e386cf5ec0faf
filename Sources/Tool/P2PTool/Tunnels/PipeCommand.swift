import ArgumentParser
import P2P
import P2PCore
import P2PTunnels

/// `p2p pipe`.
struct PipeCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "pipe",
        abstract: "Join standard input and output to a peer's service.",
        discussion: """
            The end of standard input is passed on. Ends with 0 when the peer has ended, and standard input has, too, or says nothing for half a \
            second. Ends with 3 when the peer does not serve it, or not to this node, and with 1 when the peer is not reached, resets the stream \
            before it has said whether it serves it, or has ended and takes no more of standard input.
              p2p pipe /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... /x/ssh
              ssh -o ProxyCommand='p2p pipe /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... /x/ssh' somebody@peer
            """)

    @OptionGroup var target: TargetOptions

    @Argument(help: ArgumentHelp("The name of its service, such as /x/ssh.", valueName: "name"), transform: TunnelArgument.name)
    var name: TunnelName

    @OptionGroup var node: NodeOptions
    @OptionGroup var output: OutputOptions

    /// What the tool ends with when the peer does not serve it.
    static let denied = ExitCode(3)

    func execute(_ console: Console) async throws {
        let (target, name) = (self.target, self.name)
        do {
            try await NodeSession.run(self.node) { session in
                let connection = try await session.connect(target)
                try await PipeRun(stream: try await connection.openStream(name.protocolID), console: console).run()
            }
        } catch let error as StreamError where error.isRefusal {
            console.report(ToolError("denied", "the peer does not serve \(name), or not to this node"))
            throw Self.denied
        } catch let error as StreamError where error.unanswered != nil {
            throw ToolError("unanswered", error.unansweredMessage)
        }
    }
}

extension StreamError {
    /// Whether the peer, or the rules of this node, will not have the stream.
    fileprivate var isRefusal: Bool { self.code == .protocolNotSupported || self.code == .gated || self.resetCode == .gated }
}

/// Standard input to a stream, and the stream to standard output.
struct PipeRun: Sendable {
    let stream: PeerStream
    let console: Console

    func run() async throws {
        let input = StandardInput()
        try await withThrowingTaskGroup(of: ToolError?.self) { group in
            group.addTask { try await self.send(input) }
            group.addTask {
                while let bytes = try await self.stream.read() { try await self.console.write(bytes) }
                input.endWhenSilent()
                return nil
            }
            defer { group.cancelAll() }
            var failure: ToolError?
            // Unlike `waitForAll`, this throws at once.
            while let result = try await group.next() { failure = failure ?? result }
            if let failure { throw failure }
        }
    }

    /// Whether the peer has said its end.
    private var hasPeerEnded: Bool { self.stream.muxed.inbound.isFinished }

    /// - Returns: what went wrong with a peer that has said its end, all of which is still written.
    private func send(_ input: StandardInput) async throws -> ToolError? {
        let cutShort = ToolError("cutShort", "the peer has ended, and takes no more of standard input: some of it was not sent")
        var isSent = false
        do {
            while let piece = try await input.next() { try await self.stream.write(piece) }
            isSent = true
            try await self.stream.finish()
            return nil
        } catch let error as StreamError {
            guard self.hasPeerEnded else { throw error }
            // A peer that has ended may be gone, and need not hear of this end.
            return isSent && !self.stream.muxed.hasDropped ? nil : cutShort
        }
    }
}

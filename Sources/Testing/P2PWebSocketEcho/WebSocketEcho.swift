import ArgumentParser
import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline
import P2PTCP
import P2PWebSocket

/// The other side of the Autobahn suite: our WebSockets, sending back each message as it came.
@main
struct WebSocketEcho: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "P2PWebSocketEcho",
        abstract: "Echoes the messages of WebSockets on this machine, for `make autobahn`.",
        subcommands: [Serve.self, Dial.self])
}

/// Waits for clients until it is killed.
struct Serve: AsyncParsableCommand {
    @Option(help: "The port.") var port: UInt16

    func run() async throws {
        let listener = try await TCPTransport().bind(to: try Multiaddr("/ip4/127.0.0.1/tcp/\(self.port)"))
        try await listener.run { bytes in await bytes.converse(after: WebSocketListening { EchoedMessages() }) }
    }
}

/// Lets a fuzzing server put us through each of its cases.
struct Dial: AsyncParsableCommand {
    @Option(help: "The fuzzing server's port.") var port: UInt16
    @Option(help: "Who we are in its report.") var agent = "swift-p2p"

    func run() async throws {
        let count = FirstMessage()
        try await self.visit("/getCaseCount") { count }
        guard let cases = UInt16(count.text) else { throw ValidationError("the server does not say how many cases it has") }
        for number in 1...max(1, cases) {
            try await self.visit("/runCase?case=\(number)&agent=\(self.agent)") { EchoedMessages() }
        }
        try await self.visit("/updateReports?agent=\(self.agent)") { EchoedMessages() }
    }

    private func visit(_ path: String, _ messages: @escaping @Sendable () -> any WebSocketMessageReceiver) async throws {
        let bytes = try await TCPTransport().connect(
            to: try Multiaddr("/ip4/127.0.0.1/tcp/\(self.port)"), options: DialOptions(deadline: .now() + .seconds(10)))
        await bytes.converse(after: WebSocketDialing(path: path, host: "127.0.0.1:\(self.port)", messages: messages))
    }
}

extension ByteChannel {
    /// Prepares the channel, lets it read, and waits for its end.
    fileprivate func converse(after preparation: some ChannelPreparation) async {
        let channel = self.channel
        channel.eventLoop.execute {
            let promise = channel.eventLoop.makePromise(of: Void.self)
            promise.futureResult.whenFailure { _ in channel.close(promise: nil) }
            preparation.prepare(channel, promise: promise)
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
        try? await channel.closeFuture.get()
    }
}

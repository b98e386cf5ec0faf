import ArgumentParser
import P2P
import P2PCore
import P2PHTTP
import P2PTunnels

/// `p2p http serve`.
struct HTTPServeCommand: ToolCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a node that passes peers' HTTP requests on to a local server.",
        discussion: """
            The server is told who asks: X-Forwarded-For and X-Peer-Id are the peer's id, whatever a request says of itself. Otherwise it is as \
            `p2p daemon`, and takes its options.
              p2p http serve default 127.0.0.1:8080 --listen /ip4/0.0.0.0/tcp/4001
              p2p http serve /x/web/http 127.0.0.1:8080
            """)

    @Argument(
        help: ArgumentHelp("The protocol to serve it as, such as /x/web/http; \"default\" is /http/1.1.", valueName: "protocol"),
        transform: Self.protocolID)
    var protocolID: ProtocolID

    @Argument(help: ArgumentHelp("Where the server is: HOST:PORT or unix:PATH.", valueName: "target"), transform: TunnelArgument.target)
    var target: TunnelEndpoint

    @OptionGroup var daemon: DaemonCommand

    var output: OutputOptions { self.daemon.output }

    static func protocolID(_ text: String) throws -> ProtocolID {
        if text == "default" { return .http }
        guard text.hasPrefix("/"), let protocolID = ProtocolID(validating: text) else {
            throw ValidationError("\(text) names no protocol: it begins with a slash, or is \"default\".")
        }
        return protocolID
    }

    func execute(_ console: Console) async throws {
        let (protocolID, target) = (self.protocolID, self.target)
        console.announce(
            ["event": "serving", "protocol": .text(protocolID), "target": .text(target)], "serving \(target) as \(protocolID)")
        try await self.daemon.execute(console, TunnelPlan(handlers: [HTTPService(HTTPReverseProxy(to: target), protocolID: protocolID)]))
    }
}

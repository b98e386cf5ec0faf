import ArgumentParser
import P2PIdentity
import P2PMultiaddr
import P2PTunnels

/// What web pages reach through a node's WebSocket ports.
struct GatewayOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            On the ports of WebSockets, join those that web pages open at a path to a service: PATH=HOST:PORT or PATH=unix:PATH of this machine, or \
            PATH=PEER-ADDRESS,/x/NAME of a peer. Repeat it for several.
            """, valueName: "path=target"))
    var gateway: [String] = []

    @Option(
        help: ArgumentHelp(
            "An origin of pages that may use --gateway, such as https://pages.example; repeat it for several.", valueName: "origin"))
    var gatewayOrigin: [String] = []

    func validate() throws {
        _ = try self.plan()
        if self.gateway.isEmpty != self.gatewayOrigin.isEmpty { throw ValidationError("--gateway and --gateway-origin go together.") }
    }

    func plan() throws -> TunnelPlan.Gateway {
        var plan = TunnelPlan.Gateway(origins: Set(self.gatewayOrigin))
        for text in self.gateway {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, parts[0].hasPrefix("/"), !parts[0].contains("?"), plan.routes[parts[0]] == nil else {
                throw ValidationError("--gateway \(text) is no PATH=TARGET with a path of its own that begins with a slash.")
            }
            if parts[1].hasPrefix("/") {
                let ends = parts[1].split(separator: ",", maxSplits: 1).map(String.init)
                guard ends.count == 2 else { throw ValidationError("--gateway \(text) wants PEER-ADDRESS,/x/NAME.") }
                let address = try TargetOptions.parse(ends[0])
                guard let peer = address.peerID else {
                    throw ValidationError("\(address) does not say which peer to expect: add /p2p/ and its id.")
                }
                plan.routes[parts[0]] = .service(peer, try TunnelArgument.name(ends[1]), at: [address])
                plan.addresses.append(address)
            } else {
                plan.routes[parts[0]] = .local(try TunnelArgument.target(parts[1]))
            }
        }
        return plan
    }
}

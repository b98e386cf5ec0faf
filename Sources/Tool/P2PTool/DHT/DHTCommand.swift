import ArgumentParser

/// `p2p dht`.
struct DHTCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dht",
        abstract: "Ask a distributed hash table: for peers, for who has something, for values.",
        discussion: """
            A network is entered by a member that is named with --bootstrap. Each command ends with 0 only if something was found or stored, with 1 when \
            nothing was. Keys are CIDs, peer ids, /pk/ or /ipns/ and a peer id, /namespace/ and text, or hex: and bytes.
              p2p daemon --dht server --listen /ip4/127.0.0.1/tcp/4001
              p2p dht find-peer 12D3Koo... --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo...
              p2p dht provide bafkreih... --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --stay
              p2p dht find-providers bafkreih... --bootstrap /ip4/127.0.0.1/tcp/4001/p2p/12D3Koo... --json
            With --json, what is found is {"event":"found","peer":…,"addresses":[…]}, {"event":"provider","peer":…,"addresses":[…]} or \
            {"event":"value","value":BASE64,"from":…}, who has stored something {"event":"stored","peer":…}, and the end \
            {"event":"summary","messages":…,"hops":…,"ms":…,"found":…}.
            """,
        subcommands: [
            DHTFindPeerCommand.self, DHTFindProvidersCommand.self, DHTProvideCommand.self, DHTGetCommand.self, DHTPutCommand.self,
            DHTClosestCommand.self, DHTStatsCommand.self,
        ])
}

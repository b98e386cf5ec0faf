import ArgumentParser

/// `p2p key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Make and show identities, and the keys of private networks.",
        discussion: """
            A node is known by the peer id that follows from its key. Whoever has the key file is the node.
              p2p key new --out node.key
              p2p key show node.key
            A private network is closed to everybody without its key (--psk).
              p2p key psk --out swarm.key
            """,
        subcommands: [KeyNewCommand.self, KeyShowCommand.self, KeyPSKCommand.self])

    @OptionGroup var output: OutputOptions
}

import Logging

/// What people should know of a key file that is used all the same.
enum KeyNote {
    private static let logger = Logger(label: "p2p.key")

    static func log(_ note: String) {
        self.logger.warning("\(note)")
    }
}

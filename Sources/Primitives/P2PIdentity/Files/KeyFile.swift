/// Key files: the bare protobuf message `PrivateKey`, which other libp2p implementations read and write as well.
///
/// A file that is not exactly one whole key under its owner's eyes alone is refused with the reason, and nothing here ever replaces a file
/// that it was not told to replace: losing the file means losing the identity.
public enum KeyFile {
    /// Reads a key.
    ///
    /// - Parameter path: A regular file, not a symbolic link, without permissions for group or others.
    /// - Throws: `IdentityError` with code `.keyFileMissing`, `.keyFileNotRegular`, `.keyFileExposed`, `.keyFileEmpty`, `.keyFileTooLarge`,
    ///   `.keyFileDamaged` (with the reason as `cause`) or `.keyFileUnavailable`.
    public static func read(_ path: String) throws(IdentityError) -> PrivateKey {
        let bytes = try OwnerOnlyFile.read(path, upTo: PrivateKey.maximumEncodedSize)
        do {
            return try PrivateKey(protobufEncoded: bytes)
        } catch {
            throw IdentityError(.keyFileDamaged, "\(path) does not hold one whole private key", cause: error)
        }
    }

    /// Writes a key with mode 0600.
    ///
    /// The file appears under its name whole and on the disk, or not at all.
    ///
    /// - Parameters:
    ///   - key: The key to keep.
    ///   - path: Where to; its directory must exist.
    ///   - replacing: Whether an existing regular file may be replaced. If not, the check and the writing are one step.
    /// - Throws: `IdentityError` with code `.keyFileExists`, `.keyFileMissing` (there is no such directory), `.keyFileNotRegular` or
    ///   `.keyFileUnavailable`.
    public static func write(_ key: PrivateKey, to path: String, replacing: Bool = false) throws(IdentityError) {
        try OwnerOnlyFile.write(key.protobufEncoded, to: path, replacing: replacing)
    }
}
